package mysql

// reloadFix is what an operator can do when changes are lost.
const reloadFix = "the captured tables must be loaded anew"
