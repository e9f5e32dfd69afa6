// SPDX-License-Identifier: Apache-2.0

// Package protocol speaks PostgreSQL's streaming replication protocol. It opens no sockets and starts no goroutines:
// it turns bytes into messages and commands, and back.
//
//	client := protocol.NewClient(conn) // conn: authenticated, replication=true
//	client.SetServer(protocol.Server{Version: 150004})
//	results, err := client.Exec(protocol.IdentifySystem{})
//	...
//	err = client.StartCopyBoth(protocol.StartReplication{Start: lsn, Timeline: 1})
//	for {
//		payload, err := client.NextCopy() // valid until the next call
//		...
//		switch payload[0] {
//		case protocol.TagXLogData:
//			err = xlogData.Decode(payload)
//
// Every message on the wire has the same frame, and all its integers are big endian:
//
//	+------+----------------+----------------------+
//	| type | length (4)     | body (length-4)      |
//	+------+----------------+----------------------+
//
// The stream itself is made of CopyData messages ('d'). The first byte of such a body says what it is:
//
//	'w'  start LSN (8)  end LSN (8)    send time (8)  WAL bytes ...                        server to client
//	'k'  end LSN (8)    send time (8)  reply requested (1)                                 server to client
//	'r'  write LSN (8)  flush LSN (8)  apply LSN (8)  send time (8)  reply requested (1)   client to server
//	'h'  send time (8)  xmin (4)  its epoch (4)  catalog xmin (4)  its epoch (4)           client to server
//
// A Framer cuts one direction of a connection into messages, inside one buffer that it reuses. A FrameWriter makes
// messages. A Client holds the client's side of the conversation. The replication commands are types that print for a
// given Server and that Parse reads.
//
// Whatever comes from the peer is checked before it is used: lengths before memory is allocated, and the shape of a
// body before its fields are read. An answer that breaks the protocol is an error that wraps ErrProtocol, one that
// reports an error is an *Error, and an error of the connection is passed on as it is, so that a timeout can be told
// with errors.As and net.Error.
package protocol
