package connector

import (
	"slices"

	"tailstock/connector/inventory"
)

// wanted returns what must be loaded, given what stores report: every configured
// feed that some store does not hold as it should. A report counts only if it is
// about this log and from barrier or later: before, the store has not read yet
// what is captured and which loads were completed.
func wanted(configured []inventory.FeedName, reports []StoreReport, logID string, barrier inventory.Position) (loadWish, bool) {
	var w loadWish
	why := make(map[string]bool)
	for i := range reports {
		r := &reports[i]
		if r.LogID != logID || r.Position.Before(barrier) {
			continue
		}
		lacks := false
		for _, f := range configured {
			reason := lack(f, r.Feeds)
			if reason == "" {
				continue
			}
			lacks, why[reason] = true, true
			if !slices.Contains(w.feeds, f) {
				w.feeds = append(w.feeds, f)
			}
		}
		if lacks {
			w.stores = append(w.stores, r.Store)
		}
	}
	for _, reason := range []string{lackEnd, lackStale, lackMapping, lackTable, lackAll} {
		if why[reason] {
			w.reason = reason
		}
	}
	return w, len(w.feeds) > 0
}

// Why a feed must be loaded, for people.
const (
	lackAll     = "the store has nothing of the source"
	lackTable   = "the table is new"
	lackMapping = "the mapping was changed"
	lackStale   = "changes were missed"
	lackEnd     = "an earlier load was not finished"
)

// lack returns why a store that holds feeds does not hold f as it should, empty if
// it does. No load is open: a feed that is being filled would be for ever.
func lack(f inventory.FeedName, feeds []FeedReport) string {
	if len(feeds) == 0 {
		return lackAll
	}
	if slices.Contains(feeds, FeedReport{f, FeedLoading}) && slices.Contains(feeds, FeedReport{f, FeedActive}) {
		return lackEnd
	}
	reason := lackTable
	for _, held := range feeds {
		switch {
		case held.FeedName == f && held.State == FeedActive:
			return ""
		case held.FeedName == f && held.State == FeedStale:
			reason = lackStale
		case held.Table == f.Table && held.State != FeedLoading && reason == lackTable:
			reason = lackMapping
		}
	}
	return reason
}

// counted returns the feeds that count in some store, under mappings that are not
// configured any more, of tables that are.
func countedOtherwise(configured []inventory.FeedName, reports []StoreReport) []inventory.FeedName {
	var out []inventory.FeedName
	for i := range reports {
		for _, held := range reports[i].Feeds {
			sameTable := slices.ContainsFunc(configured, func(f inventory.FeedName) bool { return f.Table == held.Table })
			if held.State != FeedLoading && sameTable && !slices.Contains(configured, held.FeedName) && !slices.Contains(out, held.FeedName) {
				out = append(out, held.FeedName)
			}
		}
	}
	return out
}
