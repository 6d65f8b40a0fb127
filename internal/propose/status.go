package propose

import (
	"fmt"
	"slices"
	"strings"

	"tailstock/connector/cdc"
	"tailstock/connector/survey"
)

// state is what a value of a status column says of its row.
type state string

// What values say of rows.
const (
	stateUnknown state = ""
	stateOpen    state = "open"    // promised, not delivered
	stateDone    state = "done"    // delivered, cancelled, or never promised
	stateGone    state = "gone"    // of stock: not there any more
	stateBarred  state = "barred"  // of stock: there, and not for sale
	stateGood    state = "good"    // of stock: there and for sale
	stateAway    state = "away"    // left one place, not arrived at the other
	statePlus    state = "plus"    // of a movement: in
	stateMinus   state = "minus"   // of a movement: out
	stateReset   state = "reset"   // of a movement: sets a stock
	stateNeither state = "neither" // of a movement: neither, as a change of a price
)

// subject is what the rows of a table are, which decides what a value means.
type subject string

// What rows are.
const (
	ofStock       subject = "stock"
	ofOrder       subject = "order"
	ofReservation subject = "reservation"
	ofTransfer    subject = "transfer"
	ofMove        subject = "move"
)

// stateWords has the words of values by what they say, in small letters without
// accents, first of each subject.
var stateWords = map[subject]map[state]string{ //nolint:gochecknoglobals // a constant of a map type
	ofStock: {
		stateGone: "void voided deleted empty gone lost consumed sold shipped cancelled canceled written-off writtenoff destroyed scrapped removed obsolete " +
			"customer supplier vendor virtual view production kunde lieferant client fournisseur " +
			"abgeschrieben verschrottet geloescht geloscht storniert verkauft annule supprime vendu eliminado vendido eliminato venduto",
		stateBarred: "qc inspect inspection damaged damage defective defect broken quarantine quarantined blocked block hold held frozen repair rework return returns returned rma " +
			"quality expired scrap reject rejected unavailable suspect recalled nonconforming " +
			"gesperrt sperr sperrlager defekt pruefung prufung beschadigt beschaedigt retoure reparatur " +
			"bloque endommage abime quarantaine retour danado defectuoso bloqueado cuarentena devuelto bloccato danneggiato quarantena difettoso reso",
		stateGood: "internal ok good available free pick bulk normal active regular saleable salable sellable prime stock shelf reserve a new released unrestricted storage store floor display overstock " +
			"frei verfugbar verfuegbar gut lager disponible libre bon stockage bueno disponibile libero buono",
	},
	ofOrder: {
		stateOpen: "open new pending confirmed picking picked allocated processing partial partially released assigned waiting backorder backordered approved ordered placed paid accepted packing packed " +
			"active sent submitted reserved held in-progress progress ready todo scheduled hold " +
			"offen neu bestaetigt bestatigt teilgeliefert bearbeitung kommissionierung freigegeben reserviert " +
			"ouvert ouverte cours valide validee confirme confirmee attente reserve abierto abierta pendiente confirmado nuevo aperto aperta nuovo confermato attesa",
		stateDone: "shipped delivered done closed complete completed cancelled canceled cancel invoiced returned received rejected declined fulfilled expired released-stock draft quote quotation void deleted refunded failed archived dispatched billed lost " +
			"erledigt geliefert storniert abgeschlossen versendet versandt entwurf angebot fakturiert geschlossen " +
			"livre livree expedie expediee annule annulee ferme fermee cloture brouillon devis facture " +
			"cerrado cerrada entregado entregada cancelado cancelada enviado enviada borrador facturado chiuso chiusa consegnato consegnata annullato annullata spedito spedita bozza",
	},
	ofReservation: {
		stateOpen: "active held hold open reserved pending allocated confirmed new assigned committed waiting offen aktiv reserviert ouverte active abierta activa aperta attiva",
		stateDone: "released consumed expired cancelled canceled fulfilled shipped done closed complete completed used converted deleted void failed timeout picked " +
			"freigegeben erledigt abgelaufen storniert liberee annulee expiree liberada cancelada caducada rilasciata annullata scaduta",
	},
	ofTransfer: {
		stateOpen: "requested planned confirmed approved open new pending released picking picked waiting assigned ready partially reserved allocated " +
			"geplant angefordert offen neu freigegeben demande demandee planifie attente solicitado planificado pendiente richiesto pianificato",
		stateAway: "transit intransit in-transit shipped sent underway dispatched moving left enroute " +
			"unterwegs versendet versandt expedie expediee envoye enviado spedito viaggio transito",
		stateDone: "received done closed posted booked cancelled canceled cancel complete completed arrived delivered draft rejected void " +
			"erhalten eingegangen erledigt gebucht verbucht storniert abgeschlossen entwurf recu recue termine annule brouillon recibido cancelado cerrado ricevuto chiuso annullato",
	},
	ofMove: {
		statePlus: "in receipt received receive purchase credit plus return inbound incoming production produced goods-in gr putaway " +
			"eingang zugang wareneingang einkauf entree reception achat entrada recepcion compra entrata carico acquisto",
		stateMinus: "out issue issued ship shipped shipment sale sold debit minus outbound outgoing consumption consumed pick scrap write-off gi dispatch delivery " +
			"ausgang abgang warenausgang verkauf lieferung sortie vente expedition livraison salida venta envio uscita scarico vendita",
		stateReset: "count counted inventory stocktake stock-take reset set reconciliation cyclecount cycle-count physical opening snapshot product_inventory " +
			"inventur zahlung zaehlung bestandsaufnahme inventaire comptage recuento inventario conteo conteggio",
		stateNeither: "revaluation price cost note",
	},
}

// stateOf returns what a value says.
func stateOf(s subject, value string) state {
	words := tokens(value)
	folded := strings.Join(words, "-")
	// The most telling first: what is gone is no stock at all, and "not shipped" is open.
	for _, candidate := range []state{stateReset, stateGone, stateBarred, stateAway, stateDone, stateOpen, stateGood, stateMinus, statePlus, stateNeither} {
		known := strings.Fields(stateWords[s][candidate])
		if slices.Contains(known, folded) || slices.Contains(known, strings.ReplaceAll(folded, "-", "_")) {
			return candidate
		}
	}
	if len(words) > 1 && slices.ContainsFunc(words, func(w string) bool { return w == "not" || w == "nicht" || w == "non" || w == "no" || w == "un" }) {
		return stateUnknown
	}
	for _, candidate := range []state{stateReset, stateGone, stateBarred, stateAway, stateDone, stateOpen, stateGood, stateMinus, statePlus} {
		known := strings.Fields(stateWords[s][candidate])
		if slices.ContainsFunc(words, func(w string) bool { return len(w) > 1 && slices.Contains(known, w) }) {
			return candidate
		}
	}
	return stateUnknown
}

// sorted has the values of a column by what they say.
type sorted struct {
	column *column
	// x is the column in an expression, of the row or of one that it looks up.
	x      string
	values []string
	// seen says that values are only those of a sample.
	seen bool
	by   map[state][]string
}

// sortValues sorts the values of a column that tells kinds of rows apart.
func sortValues(c *column, x string, s subject) (sorted, bool) {
	values, seen := c.values()
	out := sorted{column: c, x: x, values: values, seen: seen, by: make(map[state][]string)}
	if c.Type != cdc.TypeText || len(values) == 0 {
		return out, false
	}
	for _, v := range values {
		state := stateOf(s, v)
		out.by[state] = append(out.by[state], v)
	}
	return out, true
}

// known reports whether some value says something.
func (s *sorted) known(states ...state) bool {
	return slices.ContainsFunc(states, func(st state) bool { return len(s.by[st]) > 0 })
}

// is writes a condition that holds for rows with one of the values.
func (s *sorted) is(values []string) string {
	if len(values) == 1 {
		return s.x + " == " + text(values[0])
	}
	return s.x + " in " + list(values)
}

// isNot writes a condition that holds for rows with any other value, also without one.
func (s *sorted) isNot(values []string, lookedUp bool) string {
	x := s.x
	if !s.column.NotNull || lookedUp {
		x = "(" + x + ` ?? "")`
	}
	if len(values) == 1 {
		return x + " != " + text(values[0])
	}
	return x + " not in " + list(values)
}

func list(values []string) string {
	var quoted []string
	for _, v := range values {
		quoted = append(quoted, text(v))
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

// origin says where the values of a column are known from.
func (s *sorted) origin() string {
	if s.seen {
		return "values seen in some rows"
	}
	return "values that the schema declares"
}

// say lists values with what they were taken for.
func (s *sorted) say(states ...state) string {
	var parts []string
	for _, st := range states {
		if len(s.by[st]) > 0 {
			name := string(st)
			if st == stateUnknown {
				name = "unknown"
			}
			parts = append(parts, fmt.Sprintf("%s: %s", name, strings.Join(s.by[st], ", ")))
		}
	}
	return strings.Join(parts, "; ")
}

// condition is a part of "when" with what it rests on.
type condition struct{ expr, why string }

// rowConditions are the conditions that have nothing to do with a table's subject:
// rows that applications take for deleted, and those of other companies.
func (p *proposer) rowConditions(t *table) []condition {
	var out []condition
	for _, c := range t.columns {
		if !quotable(c.Name) {
			continue
		}
		if k, ok := softDeleted(c); ok && !slices.Contains(t.Key, c.Name) {
			out = append(out, k)
		} else if k, ok := p.tenant(t, c); ok {
			out = append(out, k)
		}
	}
	return out
}

func softDeleted(c *column) (condition, bool) {
	n := &c.name
	switch c.Type {
	case cdc.TypeTimestamp, cdc.TypeTimestampTZ, cdc.TypeDate:
		if n.says(isDeleted) && !c.NotNull {
			return condition{c.expr() + " == null", fmt.Sprintf("rows with a %s are deleted for the application", c.Name)}, true
		}
		return condition{}, false
	default:
	}
	f, ok := c.flag()
	negative := n.says(isDeleted) || n.has("cancelled", "canceled", "annule", "storniert")
	if !ok && c.Type == cdc.TypeInteger && len(c.tally.Values) == 0 && (negative || n.says(isActive)) && len(n.words) <= 2 {
		f, ok = flag{c.expr() + " == 1", c.orZero() + " == 0"}, true
	}
	switch {
	case !ok:
		return condition{}, false
	case negative:
		return condition{f.no, fmt.Sprintf("%s marks rows that do not count any more", c.Name)}, true
	case n.says(isActive) && !n.says(aQuantity):
		return condition{f.yes, fmt.Sprintf("%s marks the rows that count", c.Name)}, true
	}
	return condition{}, false
}

// tenant makes a constant of the company whose rows these are, if several may share
// the table.
func (p *proposer) tenant(t *table, c *column) (condition, bool) {
	if !c.name.says(aTenant) && !(c.name.has("ad") && c.name.has("client")) || c.name.says(aName, aTime, aQuantity, aKind) || c.Type != cdc.TypeInteger && c.Type != cdc.TypeText && c.Type != cdc.TypeDecimal {
		return condition{}, false
	}
	values := c.tally.Values
	if len(values) == 0 || len(values) > maxValues {
		p.remark(cdc.FindingWarning, t, fmt.Sprintf("column %s looks like the company that a row belongs to, and no row says which there are", c.Name),
			fmt.Sprintf("if several companies share the table, add a constant and %s == const.company to when", c.expr()))
		return condition{}, false
	}
	if slices.ContainsFunc(values, func(v survey.Count) bool { return !plain(v.Value) || len(v.Value) > maxValue }) {
		return condition{}, false
	}
	constant := strings.Join(c.name.words, "_")
	if quote(constant) != constant {
		constant = "company"
	}
	if c.Type == cdc.TypeText {
		constant += "_text"
	}
	value := p.constant(constant, c)
	detail := fmt.Sprintf("column %s has the value %s in all rows that were seen", c.Name, value)
	if len(values) > 1 {
		var all []string
		for _, v := range values {
			all = append(all, v.Value)
		}
		slices.Sort(all)
		detail = fmt.Sprintf("column %s has several values (%s): several companies share the table, and SKUs of one are not those of another", c.Name, strings.Join(all, ", "))
		p.remark(cdc.FindingWarning, t, detail, fmt.Sprintf("see that constants.%s is the company whose stock is wanted; for each further one write a source of its own", constant))
	}
	return condition{fmt.Sprintf("%s == const.%s", c.trimmed(), constant), detail}, true
}
