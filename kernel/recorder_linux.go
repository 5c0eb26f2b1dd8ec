package kernel

type recorder struct{}

func (r *recorder) close() error { return nil }
