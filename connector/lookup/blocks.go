package lookup

// blockLen is how many values a block has.
const blockLen = 1 << 14

// blocks is a long list that grows without copying what it holds.
type blocks[T any] struct {
	list [][]T
	n    int
}

func (b *blocks[T]) len() int { return b.n }

func (b *blocks[T]) capacity() int { return len(b.list) * blockLen }

func (b *blocks[T]) get(i int) T { return b.list[i/blockLen][i%blockLen] }

func (b *blocks[T]) set(i int, v T) { b.list[i/blockLen][i%blockLen] = v }

// append adds v, and returns its place.
func (b *blocks[T]) append(v T) int {
	if b.n == b.capacity() {
		b.list = append(b.list, make([]T, blockLen))
	}
	b.set(b.n, v)
	b.n++
	return b.n - 1
}
