package mysql

import "testing"

func TestOwnedGTIDs(t *testing.T) {
	t.Parallel()
	s, err := parseMySQLSet(someUUID + ":1-4")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.own(someUUID + ":5#12:7#13#14, 00000000-0000-0000-0000-000000000001:blue:2#9"); err != nil {
		t.Fatal(err)
	}
	if got, want := s.String(), "00000000-0000-0000-0000-000000000001:blue:2,"+someUUID+":1-5:7"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if err := s.own("nonsense"); err == nil {
		t.Error("nonsense is accepted")
	}
}
