package propose

import (
	"slices"
	"strings"
	"unicode"
)

// meaning is what a word in the name of a table or a column says.
type meaning string

// The meanings of words.
const (
	anItem       meaning = "item"
	aSKU         meaning = "sku"
	aBarcode     meaning = "barcode"
	aPlace       meaning = "place"
	aSpot        meaning = "spot" // a place within a place: a bin, a lot
	aCode        meaning = "code"
	anID         meaning = "id"
	aName        meaning = "name"
	aQuantity    meaning = "quantity"
	aStock       meaning = "stock"
	isOnHand     meaning = "on hand"
	isReserved   meaning = "reserved"
	isDamaged    meaning = "damaged"
	isSafety     meaning = "safety"
	isReorder    meaning = "reorder"
	isIncoming   meaning = "incoming"
	isAvailable  meaning = "available"
	isOrdered    meaning = "ordered"
	isShipped    meaning = "shipped"
	isOpen       meaning = "open"
	isMaximum    meaning = "maximum"
	isAside      meaning = "aside" // a number that is no stock: prices, weights, counts of other things
	aStatus      meaning = "status"
	aKind        meaning = "kind"
	isActive     meaning = "active"
	isDeleted    meaning = "deleted"
	aTime        meaning = "time"
	aTenant      meaning = "tenant"
	aUnit        meaning = "unit"
	aMove        meaning = "move"
	aTransfer    meaning = "transfer"
	anOrder      meaning = "order"
	aPurchase    meaning = "purchase"
	aLine        meaning = "line"
	aBasket      meaning = "basket"
	aReservation meaning = "reservation"
	isElse       meaning = "else" // orders that are no sales: offers, returns, production
	isFrom       meaning = "from"
	isTo         meaning = "to"
	isIn         meaning = "in"
	isOut        meaning = "out"
	aBalance     meaning = "balance"
	isOld        meaning = "old" // copies, history, drafts, logs
	isOther      meaning = "other"
	aParent      meaning = "parent"
	anAttribute  meaning = "attribute"
	aValue       meaning = "value"
	filler       meaning = "filler"
)

// vocabulary has the words of each meaning, in small letters without accents:
// English, German, French, Spanish, Italian and Dutch, and the abbreviations that
// schemas use. Plurals are found by their endings.
var vocabulary = map[meaning]string{ //nolint:gochecknoglobals // a constant of a map type
	anItem: "item product prod part article artikel art teil material mat goods produkt ware produit prdt piece producto articulo " +
		"pieza prodotto articolo pezzo variant variante onderdeel itm matnr article component",
	aSKU:     "sku artnr itemno partno partnumber artikelnr artno itemcode productcode",
	aBarcode: "barcode ean ean13 gtin upc isbn",
	aPlace: "warehouse whse wh place site location loc store shop depot branch hall plant facility entrepot magasin lager lagerort " +
		"standort filiale halle werk niederlassung ort emplacement agence almacen bodega deposito sucursal tienda magazzino sede " +
		"filial magazijn vestiging werks lgort",
	aSpot: "bin slot rack shelf locator spot zone lot batch serial pallet container package lagerplatz platz fach regal charge " +
		"casier rayon allee lote ubicacion estante lotto scaffale ubicazione locatie vak aisle tote cell",
	aCode:        "code no nr num number nummer ref reference referenz key numero codigo codice kode numer kennung kuerzel kurzel schluessel referencia riferimento",
	anID:         "id uuid guid pk fk oid rowid",
	aName:        "name title label description desc bezeichnung beschreibung libelle designation nom nombre descripcion titulo nome descrizione descr text note notes remark comment memo bemerkung complete",
	aQuantity:    "qty quantity quant menge anzahl stuckzahl stueckzahl stuck stueck quantite qte qt cantidad cant quantita qta aantal pieces units pcs",
	aStock:       "stock bestand inventory inventar existencia existencias inventario giacenza giacenze scorta scorte voorraad soh lagerbestand inv",
	isOnHand:     "onhand hand physical actual reel real ist physisch physique fisico fisica quant qoh vorhanden",
	isReserved:   "reserved reserve reservation reserviert allocated alloc allocation committed commit promised reservado reservada comprometido riservato impegnato impegnata gereserveerd vorgemerkt demand alloue engage",
	isDamaged:    "damaged damage dmg defect defective defekt blocked block hold held quarantine quarantined qc inspect inspection inspected frozen freeze freez unavailable gesperrt sperr beschadigt beschaedigt bloque endommage abime quarantaine danado bloqueado cuarentena danneggiato bloccato quarantena unsellable scrapped spoiled expired geblokkeerd",
	isSafety:     "safety min minimum mindest sicherheit sicherheits securite minimo minima seguridad sicurezza buffer mini veiligheid",
	isReorder:    "reorder rop melde seuil alerte replenish replenishment nachbestell punto riordino threshold",
	isIncoming:   "incoming inbound expected expect transit erwartet zulauf zugang attendu entrant esperado entrante atteso arrivo arrivi asn",
	isAvailable:  "available avail atp sellable salable saleable verfugbar verfuegbar disponible disponibile projected virtual theoretical beschikbaar promise",
	isOrdered:    "ordered requested required bestellt angefordert commandee commande demande pedida ordinata besteld order",
	isShipped:    "shipped delivered fulfilled dispatched sent issued geliefert versendet versandt livre livree expedie expediee entregada entregado enviada consegnata spedita geleverd picked received recu recue recibida ricevuta eingegangen cancelled canceled storniert annulee",
	isOpen:       "open remaining outstanding backorder backordered offen offene restant reste rest pendiente residuo openstaand due",
	isMaximum:    "max maximum maximal maximo massimo",
	isAside:      "price cost preis kosten prix cout precio coste costo prezzo value valuation wert montant importe importo weight gewicht poids peso volume width height length depth tax rate percent percentage discount rabatt pack lead days count counted diff difference version sort priority sequence seq pos position row level rank year month age score margin threshold lock revision fee duty carton multiple moq average avg last opening initial previous amount currency",
	aStatus:      "status state zustand statut estado stato etat toestand docstatus phase stage",
	aKind:        "type kind art typ property condition quality usage category class klasse genre tipo qualitat qualitaet qualite calidad qualita grade usage bintype soort",
	isActive:     "active isactive enabled aktiv actif activo attivo gueltig valid actief inuse",
	isDeleted:    "deleted delete removed archived obsolete geloscht geloescht supprime borrado eliminado eliminato inactive disabled inaktiv void voided trashed verwijderd archive",
	aTime:        "at date time datetime datum zeit timestamp ts fecha data heure created updated modified moved when stamp since until expires expiry valid tms angelegt geaendert geandert",
	aTenant:      "tenant mandant mandt company entity societe empresa firma azienda organisation organization org openid bukrs mandator bedrijf",
	aUnit:        "uom unit einheit unite unidad unita me eenheid measure",
	aMove:        "move movement moves transaction trans txn ledger journal posting bewegung buchung lagerbewegung mouvement mouvements movimiento movimientos movimento movimenti mvt entry entries beweging mutation booking",
	aTransfer:    "transfer umlagerung transfert traspaso trasferimento transferencia overdracht relocation",
	anOrder:      "order sale sales so auftrag auftrags bestell bestellung commande vente ventes pedido venta ventas ordine vendita vendite verkauf kunde kunden customer client demand verkooporder requisition",
	aPurchase:    "purchase po einkauf einkaufs wareneingang achat achats fournisseur compra compras proveedor acquisto acquisti fornitore supplier vendor lieferant lieferanten inkoop leverancier receipt receiving asn procurement",
	aLine:        "line item items lines detail details position positionen pos zeile ligne lignes linea lineas riga righe det row regel regels",
	aBasket:      "basket cart warenkorb panier carrito carrello hold holds checkout winkelwagen",
	aReservation: "reservation reservations allocation allocations reservierung reservierungen reserva reservas prenotazione pick picking pickliste picklist",
	isElse:       "quote quotation offer return returns rma production manufacturing work assembly angebot ruecksendung rucksendung retoure rueckgabe ruckgabe fertigung produktion devis offre retour oferta devolucion produccion preventivo reso resi produzione offerte productie",
	isFrom:       "from source src origin von quelle depuis desde origen da origine van ab",
	isTo:         "to dest destination target nach ziel zu vers hacia destino a destinazione naar dst",
	isIn:         "in eingang zugang entree entrada entrata debit receipts ein",
	isOut:        "out ausgang abgang sortie salida uscita credit issues aus",
	aBalance:     "balance saldo solde after running cumulative",
	isOld:        "history hist archive archived backup bak old tmp temp staging import export log audit copy snapshot forecast plan planned draft report stat stats summary daily weekly monthly historie historique historico storico verlauf protokoll",
	isOther:      "price prices bom recipe category categories tag image media supplier review attribute translation lang tax discount promotion invoice payment rechnung facture factura fattura user employee contact address substitute supersession compatibility fitment document stueckliste stuckliste nomenclature group groups class family brand",
	aParent:      "parent ueber uber padre pere superior",
	anAttribute:  "attribute attr meta property field option merkmal attribut atributo caratteristica spec",
	aValue:       "value val wert valeur valor valore",
	filler:       "default total sum tab tbl s n e en of on by is the de du la le des del di der die das und et y",
}

// meanings has every word.
var meanings = index() //nolint:gochecknoglobals // a constant, made of the one above

func index() map[string][]meaning {
	m := make(map[string][]meaning)
	for what, words := range vocabulary {
		for word := range strings.FieldsSeq(words) {
			if !slices.Contains(m[word], what) {
				m[word] = append(m[word], what)
			}
		}
	}
	for word := range m {
		slices.Sort(m[word]) // of a map's order nothing may depend
	}
	return m
}

// name is what a name says.
type name struct {
	words []string
	means map[meaning]bool
}

// read takes a name apart into words and looks up what they mean.
func read(s string) name {
	n := name{means: make(map[meaning]bool)}
	for _, token := range joined(tokens(s)) {
		for _, word := range compound(token) {
			n.words = append(n.words, word)
			for _, m := range lookUp(word) {
				n.means[m] = true
			}
		}
	}
	return n
}

// joined puts together what only together is a place: "ware house".
func joined(tokens []string) []string {
	for i := 0; i+1 < len(tokens); i++ {
		if whole := tokens[i] + tokens[i+1]; slices.Contains(meanings[whole], aPlace) {
			tokens = slices.Replace(tokens, i, i+2, whole)
		}
	}
	return tokens
}

// says reports whether the name has a word of one of the meanings.
func (n *name) says(meanings ...meaning) bool {
	return slices.ContainsFunc(meanings, func(m meaning) bool { return n.means[m] })
}

// has reports whether the name has one of the words.
func (n *name) has(words ...string) bool {
	return slices.ContainsFunc(n.words, func(w string) bool { return slices.Contains(words, w) })
}

// head reports whether the last word that is known has a meaning: what a name is
// about stands at its end in most languages, and mostly in schemas.
func (n *name) head(m meaning) bool {
	for i := len(n.words) - 1; i >= 0; i-- {
		if known := lookUp(n.words[i]); len(known) > 0 && !slices.Equal(known, []meaning{filler}) {
			return slices.Contains(known, m)
		}
	}
	return false
}

// tokens splits a name at everything that is no letter and where small letters are
// followed by capitals. Letters lose accents and become small.
func tokens(s string) []string {
	var out []string
	var token strings.Builder
	flush := func() {
		if token.Len() > 0 {
			out = append(out, token.String())
			token.Reset()
		}
	}
	var before rune
	for _, r := range s {
		switch {
		case !unicode.IsLetter(r):
			flush()
		case unicode.IsUpper(r) && unicode.IsLower(before):
			flush()
			fallthrough
		default:
			token.WriteString(fold(unicode.ToLower(r)))
		}
		before = r
	}
	flush()
	return out
}

// fold takes accents off.
func fold(r rune) string {
	switch r {
	case 'ß':
		return "ss"
	case 'œ':
		return "oe"
	case 'æ':
		return "ae"
	}
	const accented, plain = "äàáâãåèéêëìíîïöòóôõøüùúûñç", "aaaaaaeeeeiiiioooooouuuunc"
	if i := slices.Index([]rune(accented), r); i >= 0 {
		return plain[i : i+1]
	}
	return string(r)
}

// lookUp returns what a word means, also in its plural.
func lookUp(word string) []meaning {
	if m := meanings[word]; m != nil {
		return m
	}
	for _, ending := range []string{"s", "es", "en", "n", "e"} {
		if stem, ok := strings.CutSuffix(word, ending); ok && len(stem) > 3 && meanings[stem] != nil {
			return meanings[stem]
		}
	}
	return nil
}

// compound takes a token apart into known words that make up all of it, the fewest
// possible: "artikelnummer", "qtyonhand", "mindestbestand". A token that is no
// such compound stays as it is.
func compound(token string) []string {
	if lookUp(token) != nil || len(token) < 5 {
		return []string{token}
	}
	// best[i] are the words that make up token[:i].
	best := make([][]string, len(token)+1)
	best[0] = []string{}
	for i := range token {
		if best[i] == nil {
			continue
		}
		for j := i + 1; j <= len(token); j++ {
			word := token[i:j]
			joint := i > 0 && (word == "s" || word == "n" || word == "en") && j < len(token)
			if !joint && (len(word) < 2 || lookUp(word) == nil) {
				continue
			}
			if words := append(slices.Clone(best[i]), word); best[j] == nil || len(words) < len(best[j]) {
				best[j] = words
			}
		}
	}
	if words := best[len(token)]; words != nil {
		return words
	}
	return []string{token}
}
