package machine

import "encoding/binary"

// byteOrder is the machine's; package asm does not know binary.NativeEndian.
var byteOrder binary.ByteOrder = binary.LittleEndian

func init() {
	if binary.NativeEndian.Uint16([]byte{0, 1}) == 1 {
		byteOrder = binary.BigEndian
	}
}
