package rtnl

// Answers that a program gets besides the acknowledgement, if it asks for that with
// NLM_F_ECHO. Those to other requests are the running kernel's.

// echo tells who has made a device of it.
func (s *Server) echo(r *linkRequest, d *Device) {
	if r.message.flags&flagEcho != 0 && d.Netns == r.socket.Netns {
		s.tellOf(r.socket, r.message, newLink, s.about(r.socket, d, d.peer))
	}
}

// lastWords is what a program that deletes a device is told of the peer, nil if it is
// not. Of the device itself the running kernel tells.
func (s *Server) lastWords(k *Socket, m message) []byte {
	if m.typ != delLink || m.flags&flagEcho == 0 || len(m.body) < infoSize {
		return nil
	}
	attrs, _ := parseAttributes(m.body[infoSize:])
	d := s.named(&linkRequest{socket: k, message: m, index: native.Uint32(m.body[4:]), attrs: attrs})
	if d == nil || d.peer == nil || d.peer.Netns != k.Netns {
		return nil
	}
	return s.about(k, d.peer, nil)
}

func (s *Server) tellOf(k *Socket, asked message, typ uint16, body []byte) {
	if body != nil {
		k.Send(appendMessage(nil, message{typ: typ, seq: asked.seq, port: k.Port, body: body}))
	}
}

// about is what a notification says of a device that has a peer, or has lost it.
func (s *Server) about(k *Socket, d, peer *Device) (body []byte) {
	const all = 0xffffffff // in ifi_change
	if d.wires == nil {
		return d.describe(all)
	}
	for _, p := range k.Forward(lookup(d.Index, "", takenSeq)) {
		for _, m := range split(p) {
			switch {
			case m.seq != takenSeq:
				s.Relay(k, m.raw)
			case m.typ == newLink:
				body = d.dress(m.body, peer)
				native.PutUint32(body[12:], all)
			}
		}
	}
	return body
}
