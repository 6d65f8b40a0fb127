package cli

import (
	"encoding/json"
	"strings"

	"tailstock/connector/inventory"
)

// quantities shows the kinds of a cell or a contribution as exact JSON numbers.
type quantities struct {
	OnHand      json.Number `json:"on_hand"`
	Committed   json.Number `json:"committed"`
	Unavailable json.Number `json:"unavailable"`
	SafetyStock json.Number `json:"safety_stock"`
	Incoming    json.Number `json:"incoming"`
}

func quantitiesOf(q inventory.Quantities) quantities {
	number := func(k inventory.Kind) json.Number { return json.Number(q[k].String()) }
	return quantities{
		OnHand: number(inventory.OnHand), Committed: number(inventory.Committed),
		Unavailable: number(inventory.Unavailable), SafetyStock: number(inventory.SafetyStock),
		Incoming: number(inventory.Incoming),
	}
}

// nonZero lists the kinds that are not zero for people: "on_hand 12, committed 3".
func nonZero(q inventory.Quantities) string {
	var parts []string
	for k, v := range q {
		if v != 0 {
			parts = append(parts, inventory.Kind(k).String()+" "+v.String())
		}
	}
	if parts == nil {
		return "nothing"
	}
	return strings.Join(parts, ", ")
}
