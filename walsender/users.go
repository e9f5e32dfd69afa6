// SPDX-License-Identifier: Apache-2.0

package walsender

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/xdg-go/scram"
)

// ErrConfig says that a file of users or of host rules cannot be understood. The error names the line, never a password
// or a verifier.
var ErrConfig = errors.New("invalid configuration")

const (
	verifierScheme    = "SCRAM-SHA-256"
	defaultIterations = 4096
	maxIterations     = 10_000_000
	saltLen           = 16
)

// Users are the roles that may log in by password. It is immutable. A file of users has a line for each:
//
//	# name     verifier, as in pg_authid.rolpassword
//	"mirror"   "SCRAM-SHA-256$4096:salt$StoredKey:ServerKey"
type Users struct {
	byName map[string]scram.StoredCredentials
	mock   []byte // makes up salts for users that do not exist; not known to clients
	iters  int    // of made up users
}

// LoadUsers reads a file of users.
func LoadUsers(name string) (*Users, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	users, err := ParseUsers(string(text))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return users, nil
}

// ParseUsers reads the text of a file of users.
func ParseUsers(text string) (*Users, error) {
	verifiers := map[string]string{}
	for i, line := range strings.Split(text, "\n") {
		bad := func(what string) (*Users, error) {
			return nil, fmt.Errorf("%w: line %d: %s", ErrConfig, i+1, what)
		}
		fields, err := tokenize(line)
		switch {
		case err != nil:
			return bad(err.Error())
		case len(fields) == 0:
			continue
		case len(fields) != 2 || len(fields[0]) != 1 || len(fields[1]) != 1:
			return bad("not a name and a verifier")
		}
		name := fields[0][0].text
		if _, twice := verifiers[name]; twice {
			return bad("a second line for the same user")
		}
		if _, err := parseVerifier(fields[1][0].text); err != nil {
			return bad(err.Error())
		}
		verifiers[name] = fields[1][0].text
	}
	return NewUsers(verifiers)
}

// NewUsers makes users of verifiers by name.
func NewUsers(verifiers map[string]string) (*Users, error) {
	u := &Users{byName: make(map[string]scram.StoredCredentials, len(verifiers)), iters: defaultIterations}
	secret := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(verifiers)) {
		c, err := parseVerifier(verifiers[name])
		if err != nil {
			return nil, fmt.Errorf("%w: user %q: %w", ErrConfig, name, err)
		}
		u.byName[name] = c
		u.iters = c.Iters
		secret.Write(c.ServerKey)
	}
	if len(verifiers) == 0 {
		random := make([]byte, sha256.Size)
		rand.Read(random)
		secret.Write(random)
	}
	u.mock = secret.Sum(nil)
	return u, nil
}

// lookup is what a user's password is checked against. For one that does not exist it is made up, always the same, so
// that nobody learns who exists (mock_scram_secret in auth-scram.c).
func (u *Users) lookup(name string) (c scram.StoredCredentials, exists bool) {
	if c, ok := u.byName[name]; ok {
		return c, true
	}
	mac := hmac.New(sha256.New, u.mock)
	mac.Write([]byte(name))
	c.Salt, c.Iters = string(mac.Sum(nil)[:saltLen]), u.iters
	c.StoredKey, c.ServerKey = make([]byte, sha256.Size), make([]byte, sha256.Size)
	rand.Read(c.StoredKey)
	return c, false
}

// errVerifier says nothing of the text that was refused.
var errVerifier = errors.New("not a verifier in the form SCRAM-SHA-256$iterations:salt$StoredKey:ServerKey")

// parseVerifier reads a verifier as PostgreSQL stores it (parse_scram_secret in auth-scram.c).
func parseVerifier(text string) (c scram.StoredCredentials, err error) {
	parts := strings.Split(text, "$")
	if len(parts) != 3 || parts[0] != verifierScheme {
		return c, errVerifier
	}
	iterations, salt, ok := strings.Cut(parts[1], ":")
	stored, server, ok2 := strings.Cut(parts[2], ":")
	if !ok || !ok2 {
		return c, errVerifier
	}
	if c.Iters, err = strconv.Atoi(iterations); err != nil || c.Iters < 1 || c.Iters > maxIterations {
		return c, errVerifier
	}
	rawSalt, err1 := base64.StdEncoding.DecodeString(salt)
	var err2, err3 error
	c.StoredKey, err2 = base64.StdEncoding.DecodeString(stored)
	c.ServerKey, err3 = base64.StdEncoding.DecodeString(server)
	if errors.Join(err1, err2, err3) != nil || len(rawSalt) == 0 ||
		len(c.StoredKey) != sha256.Size || len(c.ServerKey) != sha256.Size {
		return c, errVerifier
	}
	c.Salt = string(rawSalt)
	return c, nil
}

// MakeVerifier makes the verifier of a password, for a file of users. PostgreSQL prepares passwords by SASLprep where
// that is possible; so does this, and takes any other password as it is (pg_saslprep).
func MakeVerifier(password string) (string, error) {
	salt := make([]byte, saltLen)
	rand.Read(salt)
	client, err := scram.SHA256.NewClient("", password, "")
	if err != nil {
		client, err = scram.SHA256.NewClientUnprepped("", password, "")
	}
	if err != nil {
		return "", err
	}
	c, err := client.GetStoredCredentialsWithError(scram.KeyFactors{Salt: string(salt), Iters: defaultIterations})
	if err != nil {
		return "", err
	}
	b64 := base64.StdEncoding.EncodeToString
	return fmt.Sprintf("%s$%d:%s$%s:%s", verifierScheme, defaultIterations, b64(salt), b64(c.StoredKey), b64(c.ServerKey)), nil
}
