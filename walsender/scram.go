// SPDX-License-Identifier: Apache-2.0

package walsender

import (
	"errors"
	"strings"

	"github.com/jackc/pgproto3/v2"
	"github.com/xdg-go/scram"

	"github.com/walmirror/walmirror/protocol"
)

// The mechanisms of SASL that are offered; the second one only where TLS can be bound to (auth-scram.c).
const (
	mechanism     = "SCRAM-SHA-256"
	mechanismPlus = "SCRAM-SHA-256-PLUS"
)

// maxSASLMessage is PG_MAX_SASL_MESSAGE_LENGTH.
const maxSASLMessage = 1024

// errPassword stands for a proof that is wrong, of whatever user.
var errPassword = errors.New("wrong password or no such user")

// scramExchange checks the client's password (CheckSASLAuth in auth-sasl.c). The user is that of the startup packet;
// what the client says in the exchange is not looked at, as in PostgreSQL.
func (c *session) scramExchange(users *Users) error {
	c.backend.Framer().SetMaxMessage(maxSASLMessage)
	binding, bound := c.channelBinding()
	request := &pgproto3.AuthenticationSASL{AuthMechanisms: []string{mechanism}}
	if bound {
		request.AuthMechanisms = []string{mechanismPlus, mechanism}
	}
	chosen, first, err := c.askSASL(request)
	if err != nil {
		return err
	}
	plus := chosen == mechanismPlus
	if chosen != mechanism && !(plus && bound) {
		return fatalf(codeProtocolViolation, "client selected an invalid SASL authentication mechanism")
	}
	if err := checkClientFirst(first, plus); err != nil {
		return err
	}
	conversation, exists, err := newConversation(users, c.user, binding, bound)
	if err != nil {
		return err
	}
	challenge, err := conversation.Step(string(first))
	if err != nil {
		return firstError(challenge)
	}
	answer, err := c.ask(&pgproto3.AuthenticationSASLContinue{Data: []byte(challenge)})
	if err != nil {
		return err
	}
	if err := checkSASLText(answer); err != nil {
		return err
	}
	proof, err := conversation.Step(string(answer))
	if err != nil || !exists {
		return finalError(proof)
	}
	return c.put(&pgproto3.AuthenticationSASLFinal{Data: []byte(proof)})
}

// newConversation checks against the verifier of a user; exists is false when it is a made up one.
func newConversation(users *Users, name string, b scram.ChannelBinding, bound bool) (
	conversation *scram.ServerConversation, exists bool, err error) {
	credentials, exists := users.lookup(name)
	server, err := scram.SHA256.NewServer(func(string) (scram.StoredCredentials, error) { return credentials, nil })
	if err != nil {
		return nil, false, err
	}
	if bound {
		return server.NewConversationWithChannelBinding(b), exists, nil
	}
	return server.NewConversation(), exists, nil
}

// askSASL sends the request and returns the mechanism that the client chose and its first message. A client may leave
// that out; then it is asked for it by an empty challenge.
func (c *session) askSASL(request *pgproto3.AuthenticationSASL) (chosen string, first []byte, err error) {
	body, err := c.ask(request)
	if err != nil {
		return "", nil, err
	}
	chosen, first, ok := protocol.ParseSASLInitialResponse(body)
	if !ok {
		return "", nil, fatalf(codeProtocolViolation, "invalid message format")
	}
	if first == nil {
		if first, err = c.ask(&pgproto3.AuthenticationSASLContinue{}); err != nil {
			return "", nil, err
		}
	}
	return chosen, first, checkSASLText(first)
}

// ask sends a request for authentication and returns the body of the answer, valid until the next one.
func (c *session) ask(request pgproto3.BackendMessage) ([]byte, error) {
	if err := c.put(request); err != nil {
		return nil, err
	}
	if err := c.flush(); err != nil {
		return nil, err
	}
	typ, body, err := c.receive()
	if err != nil {
		return nil, err
	}
	if typ != 'p' {
		return nil, fatalf(codeProtocolViolation, "expected SASL response, got message type %d", typ)
	}
	return body, nil
}

func checkSASLText(message []byte) error {
	var detail string
	switch {
	case len(message) == 0:
		detail = "The message is empty."
	case strings.IndexByte(string(message), 0) >= 0:
		detail = "Message length does not match input length."
	default:
		return nil
	}
	return malformedSCRAM(detail)
}

func malformedSCRAM(detail string) *protocol.Error {
	e := fatalf(codeProtocolViolation, "malformed SCRAM message")
	e.Detail = detail
	return e
}

// checkClientFirst holds the beginning of the client's first message to the mechanism that it chose, and the message to
// what PostgreSQL accepts (read_client_first_message in auth-scram.c).
func checkClientFirst(first []byte, plus bool) error {
	fields := strings.SplitN(string(first), ",", 4)
	flag := fields[0]
	binds := strings.HasPrefix(flag, "p=")
	switch {
	case plus && !binds:
		return malformedSCRAM("The client selected SCRAM-SHA-256-PLUS, but the SCRAM message does not include" +
			" channel binding data.")
	case !plus && binds:
		return malformedSCRAM("The client selected SCRAM-SHA-256 without channel binding, but the SCRAM message" +
			" includes channel binding data.")
	case binds && flag != "p="+string(scram.ChannelBindingTLSServerEndpoint):
		return fatalf(codeProtocolViolation, "unsupported SCRAM channel-binding type %q", cleanASCII(flag[2:], false))
	case len(fields) < 4:
		return malformedSCRAM("Attribute expected, but found end of string.")
	case fields[1] != "":
		return fatalf(codeFeatureNotSupported, "client uses authorization identity, but it is not supported")
	case strings.HasPrefix(fields[2], "m"):
		return fatalf(codeFeatureNotSupported, "client requires an unsupported SCRAM extension")
	}
	nonce, _, _ := strings.Cut(fields[3], ",")
	if strings.ContainsFunc(nonce, func(r rune) bool { return r < 0x21 || r > 0x7e }) {
		return fatalf(codeProtocolViolation, "non-printable characters in SCRAM nonce")
	}
	return nil
}

// firstError is what the library's answer to a client's first message that it refuses means.
func firstError(answer string) error {
	if answer == scram.ErrServerDoesSupportChannelBinding {
		e := fatalf(codeInvalidAuthorization, "SCRAM channel binding negotiation error")
		e.Detail = "The client supports SCRAM channel binding but thinks the server does not.  " +
			"However, this server does support channel binding."
		return e
	}
	return malformedSCRAM("The client-first-message cannot be read.")
}

// finalError is what the library's answer to a client's final message that it refuses means.
func finalError(answer string) error {
	switch answer {
	case scram.ErrChannelBindingsDontMatch:
		return fatalf(codeInvalidAuthorization, "SCRAM channel binding check failed")
	case "":
		return malformedSCRAM("The client-final-message cannot be read.")
	case scram.ErrOtherError:
		e := fatalf(codeProtocolViolation, "invalid SCRAM response")
		e.Detail = "Nonce does not match."
		return e
	}
	return errPassword
}
