package postgres

// reloadFix is what an operator can do when changes are lost.
const reloadFix = "the captured tables must be loaded anew: drop the slot and start with an empty log and store, from a source at rest"
