// SPDX-License-Identifier: Apache-2.0

package protocoltest

import (
	"io"
	"net"
	"strconv"
	"sync"
	"testing"
)

// Proxy stands between clients and a server and tampers with what goes through.
type Proxy struct {
	target   string
	listener net.Listener
	wg       sync.WaitGroup

	mu       sync.Mutex
	down, up Mode // server to client, client to server
	refuse   bool
	links    map[*link]bool
	accepted int
	closed   bool
}

// link is one connection through a Proxy.
type link struct {
	client, server *Conn
}

func (l *link) close() {
	l.client.Close()
	l.server.Close()
}

// NewProxy forwards connections to a TCP address, such as "127.0.0.1:5432". It ends with the test.
func NewProxy(t testing.TB, target string) *Proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{target: target, listener: l, links: map[*link]bool{}}
	p.wg.Go(p.accept)
	t.Cleanup(p.Close)
	return p
}

// Addr is where clients connect to.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// Host is the address without the port.
func (p *Proxy) Host() string {
	host, _, _ := net.SplitHostPort(p.Addr())
	return host
}

// Port is the port that clients connect to.
func (p *Proxy) Port() int {
	_, port, _ := net.SplitHostPort(p.Addr())
	n, _ := strconv.Atoi(port)
	return n
}

// SetTarget changes the server for new connections.
func (p *Proxy) SetTarget(addr string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.target = addr
}

// SetMode sets what happens to bytes from the server to the client, on connections that are there and on new ones.
// Each connection counts for itself, from now or from its beginning.
func (p *Proxy) SetMode(m Mode) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.down = m
	for l := range p.links {
		l.server.SetMode(m)
	}
}

// SetUpMode sets what happens to bytes from the client to the server.
func (p *Proxy) SetUpMode(m Mode) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.up = m
	for l := range p.links {
		l.client.SetMode(m)
	}
}

// Refuse makes the Proxy close new connections at once.
func (p *Proxy) Refuse(refuse bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refuse = refuse
}

// CutAll closes every connection and returns how many there were.
func (p *Proxy) CutAll() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	for l := range p.links {
		l.close()
	}
	return len(p.links)
}

// Accepted is the number of connections so far.
func (p *Proxy) Accepted() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.accepted
}

// Close ends the Proxy and its connections.
func (p *Proxy) Close() {
	p.listener.Close()
	p.mu.Lock()
	p.closed = true
	for l := range p.links {
		l.close()
	}
	p.mu.Unlock()
	p.wg.Wait()
}

func (p *Proxy) accept() {
	for {
		conn, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.wg.Go(func() { p.forward(conn) })
	}
}

// forward carries one connection until either side ends it.
func (p *Proxy) forward(client net.Conn) {
	p.mu.Lock()
	target, refuse := p.target, p.refuse
	p.mu.Unlock()
	if refuse {
		client.Close()
		return
	}
	server, err := net.Dial("tcp", target)
	if err != nil {
		client.Close()
		return
	}
	l := p.add(client, server)
	defer p.remove(l)
	var wg sync.WaitGroup
	wg.Go(func() { pump(l.server, l.client) })
	pump(l.client, l.server)
	wg.Wait()
}

func (p *Proxy) add(client, server net.Conn) *link {
	p.mu.Lock()
	defer p.mu.Unlock()
	l := &link{client: Tamper(client, p.up), server: Tamper(server, p.down)}
	p.links[l] = true
	p.accepted++
	if p.closed {
		l.close()
	}
	return l
}

func (p *Proxy) remove(l *link) {
	l.close()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.links, l)
}

// pump copies until an error or the end, and passes the end on: what is under way in the other direction still arrives.
// A connection that was cut is closed on both sides.
func pump(dst, src *Conn) {
	buf := make([]byte, 64<<10)
	for {
		n, err := src.Read(buf)
		if n > 0 {
			if _, err := dst.Conn.Write(buf[:n]); err != nil {
				src.Close()
				return
			}
		}
		if err == io.EOF {
			dst.Conn.(*net.TCPConn).CloseWrite()
			return
		}
		if err != nil {
			dst.Close()
			return
		}
	}
}
