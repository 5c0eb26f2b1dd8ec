package control

import (
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"sync"
)

// Handler answers a request of the other side about a kernel, 0 for none. It runs in a
// goroutine of its own.
type Handler func(kernel int, request any) (answer any, err error)

// Conn is one end of the connection. It is safe for concurrent use.
type Conn struct {
	stream io.ReadWriteCloser
	handle Handler

	sending sync.Mutex
	encoder *gob.Encoder

	mu      sync.Mutex
	last    uint64
	waiting map[uint64]chan message
	broken  error // why nothing is answered any more
}

// message is what is sent. An answer has the number of its request.
type message struct {
	Number uint64
	Answer bool
	Kernel int // that a request is about
	Body   any
	Err    *Error
}

// ErrClosed is wrapped by the error of a request that is not answered any more.
var ErrClosed = errors.New("the connection is closed")

// Open begins to answer requests.
func Open(stream io.ReadWriteCloser, handle Handler) *Conn {
	c := &Conn{stream: stream, handle: handle, encoder: gob.NewEncoder(stream), waiting: make(map[uint64]chan message)}
	go c.receive()
	return c
}

// Close ends the connection: requests without answer fail.
func (c *Conn) Close() error {
	if err := c.stream.Close(); err != nil {
		return fmt.Errorf("close the connection: %w", err)
	}
	return nil
}

// Ask sends a request about a kernel, 0 for none, and waits for its answer.
func (c *Conn) Ask(kernel int, request any) (answer any, err error) {
	c.mu.Lock()
	if c.broken != nil {
		defer c.mu.Unlock()
		return nil, c.broken
	}
	c.last++
	number, reply := c.last, make(chan message, 1)
	c.waiting[number] = reply
	c.mu.Unlock()
	if err := c.send(message{Number: number, Kernel: kernel, Body: pack(request)}); err != nil {
		c.mu.Lock()
		delete(c.waiting, number)
		c.mu.Unlock()
		return nil, err
	}
	m := <-reply
	return unpack(m.Body), m.Err.unwire()
}

func (c *Conn) send(m message) error {
	c.sending.Lock()
	defer c.sending.Unlock()
	if err := c.encoder.Encode(&m); err != nil {
		return fmt.Errorf("send %T: %w", m.Body, err)
	}
	return nil
}

func (c *Conn) receive() {
	decoder := gob.NewDecoder(c.stream)
	for {
		var m message
		if err := decoder.Decode(&m); err != nil {
			c.fail(err)
			return
		}
		if !m.Answer {
			go c.answer(m)
			continue
		}
		c.mu.Lock()
		reply := c.waiting[m.Number]
		delete(c.waiting, m.Number)
		c.mu.Unlock()
		if reply != nil {
			reply <- m
		}
	}
}

func (c *Conn) answer(m message) {
	a, err := c.handle(m.Kernel, unpack(m.Body))
	reply := message{Number: m.Number, Answer: true, Body: pack(a), Err: wire(err)}
	if err := c.send(reply); err != nil { // what cannot be said, or nobody waits any more
		_ = c.send(message{Number: m.Number, Answer: true, Err: wire(err)})
	}
}

// fail ends all waiting.
func (c *Conn) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.broken = fmt.Errorf("%w: %w", ErrClosed, err)
	for number, reply := range c.waiting {
		delete(c.waiting, number)
		reply <- message{Err: wire(c.broken)}
	}
}
