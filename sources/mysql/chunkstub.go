package mysql

// chunkReads is what chunks need.
type chunkReads struct{}

func (*chunkReads) forget()      {}
func (*chunkReads) close() error { return nil }
