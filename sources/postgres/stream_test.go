package postgres

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"io"
	"math/big"
	mathrand "math/rand/v2"
	"net"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
)

// pipe returns both ends of a TCP connection.
func pipe(t *testing.T) (client, srv net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var g errgroup.Group
	g.Go(func() (err error) { srv, err = l.Accept(); return err })
	client, err = net.Dial("tcp", l.Addr().String())
	if err = errors.Join(err, g.Wait()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close(); srv.Close() })
	return client, srv
}

func testStream(conn net.Conn) *stream {
	return &stream{conn: conn, raw: socketBelow(conn), buf: make([]byte, socketBuffer), lastRead: time.Now()}
}

// TestStreamCutsMessages sends messages of all sizes in pieces that ignore
// their borders, with and without TLS.
func TestStreamCutsMessages(t *testing.T) {
	t.Parallel()
	certificate := selfSigned(t)
	for name, wrap := range map[string]func(client, srv net.Conn) (net.Conn, net.Conn){
		"plain": func(client, srv net.Conn) (net.Conn, net.Conn) { return newBufferedConn(client), srv },
		"tls": func(client, srv net.Conn) (net.Conn, net.Conn) {
			return tls.Client(newBufferedConn(client), &tls.Config{InsecureSkipVerify: true}),
				tls.Server(srv, &tls.Config{Certificates: []tls.Certificate{certificate}})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			random := mathrand.New(mathrand.NewPCG(1, 2))
			var want [][]byte
			var wire []byte
			for i := range 400 {
				body := make([]byte, random.IntN(300))
				if i%50 == 7 {
					body = make([]byte, random.IntN(3*socketBuffer))
				}
				for j := range body {
					body[j] = byte(random.Uint32())
				}
				want = append(want, body)
				wire = append(wire, 'd')
				wire = binary.BigEndian.AppendUint32(wire, uint32(len(body)+4))
				wire = append(wire, body...)
			}
			client, srv := wrap(pipe(t))
			var g errgroup.Group
			g.Go(func() error {
				for len(wire) > 0 {
					n := min(len(wire), 1+random.IntN(20_000))
					if _, err := srv.Write(wire[:n]); err != nil {
						return err
					}
					wire = wire[n:]
				}
				return srv.Close()
			})
			s := testStream(client)
			for i := range want {
				if got := receive(t, s); !bytes.Equal(got, want[i]) {
					t.Fatalf("message %d has %d bytes, want %d", i, len(got), len(want[i]))
				}
			}
			if err := s.fill(t.Context(), time.Now().Add(10*time.Second)); !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("at the end: %v", err)
			}
			if err := g.Wait(); err != nil {
				t.Error(err)
			}
		})
	}
}

func receive(t *testing.T, s *stream) []byte {
	t.Helper()
	for {
		m, ok, err := s.next()
		if err != nil {
			t.Fatal(err)
		}
		if ok {
			return m.body
		}
		if err := s.fill(t.Context(), time.Now().Add(10*time.Second)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestStreamDeadlineLosesNothing(t *testing.T) {
	t.Parallel()
	client, srv := pipe(t)
	s := testStream(newBufferedConn(client))
	message := []byte("d\x00\x00\x00\x08abcd")
	for i, b := range message {
		if _, err := srv.Write([]byte{b}); err != nil {
			t.Fatal(err)
		}
		for s.end-s.start <= i {
			if err := s.fill(t.Context(), time.Now().Add(10*time.Second)); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.fill(t.Context(), time.Now().Add(time.Millisecond)); !errors.Is(err, errIdle) {
			t.Fatalf("after %d bytes: %v, want errIdle", i+1, err)
		}
	}
	if got := receive(t, s); string(got) != "abcd" {
		t.Errorf("got %q", got)
	}
}

func TestStreamRefusesImpossibleLengths(t *testing.T) {
	t.Parallel()
	for _, header := range []string{"d\x00\x00\x00\x03", "d\xff\xff\xff\xff", "d\x7f\xff\xff\xff"} {
		s := &stream{buf: []byte(header), end: len(header)}
		if _, _, err := s.next(); err == nil {
			t.Errorf("%q was accepted", header)
		}
	}
}

func selfSigned(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}
