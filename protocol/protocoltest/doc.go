// SPDX-License-Identifier: Apache-2.0

// Package protocoltest has the other end for tests of code that speaks the replication protocol: a Session plays the
// server from a script, Replay from recorded bytes, and a Proxy between a client and a real server delays, cuts and
// damages what goes through it.
//
//	addr := protocoltest.Serve(t, func(s *protocoltest.Session) {
//		s.Startup()
//		s.Expect(protocol.IdentifySystem{})
//		s.Result([]string{"systemid", "timeline", "xlogpos", "dbname"}, "IDENTIFY_SYSTEM",
//			[]any{"7711133882651012132", "1", "0/5008158", nil})
//		s.Ready()
//	})
//
// All sockets are on 127.0.0.1 with a port of the system's choice, and are gone when the test ends.
package protocoltest
