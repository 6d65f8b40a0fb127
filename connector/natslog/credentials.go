package natslog

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nkeys"
)

// Role is whose key of an embedded server's directory to connect with.
type Role string

// The roles. Their keys are made with the directory, readable by its owner alone.
const (
	// RoleDaemon may do everything.
	RoleDaemon Role = "daemon"
	// RoleOperator may do everything but append to logs, publish levels and answer
	// for a daemon on the control plane. It may ask there for anything.
	RoleOperator Role = "operator"
	// RoleReader may only read levels, and ask daemons for nothing: by subscription as they change, and by
	// direct get as they stand. It makes no consumers, because JetStream lets the
	// maker of one choose any subject for its deliveries, state included.
	RoleReader Role = "reader"
)

func keyPath(dir string, r Role) string { return filepath.Join(dir, string(r)+".nk") }

// loadKeys returns the public keys of dir, making those that are missing.
func loadKeys(dir string) (map[Role]string, error) {
	keys := make(map[Role]string)
	for _, r := range []Role{RoleDaemon, RoleOperator, RoleReader} {
		public, err := loadKey(keyPath(dir, r))
		if errors.Is(err, fs.ErrNotExist) {
			public, err = makeKey(keyPath(dir, r))
		}
		if err != nil {
			return nil, fmt.Errorf("key of %s: %w", r, err)
		}
		keys[r] = public
	}
	return keys, nil
}

func loadKey(path string) (string, error) {
	seed, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	defer clear(seed)
	pair, err := nkeys.ParseDecoratedNKey(seed)
	if err != nil {
		return "", fmt.Errorf("read %s: %w", path, err)
	}
	defer pair.Wipe()
	return pair.PublicKey()
}

func makeKey(path string) (string, error) {
	pair, err := nkeys.CreateUser()
	if err != nil {
		return "", err
	}
	defer pair.Wipe()
	seed, err := pair.Seed()
	if err != nil {
		return "", err
	}
	defer clear(seed)
	if err := writeFile(path, seed); err != nil {
		return "", err
	}
	return pair.PublicKey()
}

// writeFile writes a file that is whole or absent after a crash, for its owner alone.
func writeFile(path string, b []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*") // mode 0600
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}

// readerInbox is where answers to a reader go, so that it sees no one else's.
const readerInbox = "_INBOX_READER"

func users(keys map[Role]string, n names) []*server.NkeyUser {
	levels := n.levels()
	return []*server.NkeyUser{
		{Nkey: keys[RoleDaemon]},
		{Nkey: keys[RoleOperator], Permissions: &server.Permissions{
			Publish:   &server.SubjectPermission{Deny: []string{n.logSubjectPrefix() + ".>", n.levelPrefix() + ".>"}},
			Subscribe: &server.SubjectPermission{Deny: []string{n.controlPrefix() + ".>"}},
		}},
		{Nkey: keys[RoleReader], Permissions: &server.Permissions{
			Publish: &server.SubjectPermission{Allow: []string{
				"$JS.API.STREAM.INFO." + levels, "$JS.API.DIRECT.GET." + levels, "$JS.API.DIRECT.GET." + levels + ".>",
			}},
			Subscribe: &server.SubjectPermission{Allow: []string{n.levelPrefix() + ".>", readerInbox + ".>"}},
		}},
	}
}
