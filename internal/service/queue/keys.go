package queue

import (
	"encoding/binary"

	"postroad/internal/storage/kv"
)

// Shards is how many partitions the queue has. It is part of the stored format.
const Shards = 8

// FirstPartition is the first shard's partition; the others follow.
const FirstPartition kv.Partition = 2 << 56

// Schema of a shard, version 1. A message lies whole in the shard that its ID names. Records carry their
// own version in their first byte.
//
//	h                                        head: message numbers given out, counts
//	m <msg>                                  message: envelope, size, how many items are left
//	n <id>                                   number of the message that is called so
//	i <msg> <rcpt>                           item: recipient, state, times
//	o <msg> <rcpt>                           the item's last attempts, oldest first
//	d <dest> 00 <lane> <due> <msg> <rcpt>    items to try, in order; empty value
//	e <at> <msg> <rcpt>                      items to look at whatever attempts say (to warn, to give up); empty value
//	g <msg>                                  content staged that no message refers to yet; empty value
//	t ...                                    not used any more, removed at open: what happened (now package trace)
//	F0 'b' <msg> <chunk>                     content (storage/blob)
//
// Numbers are big-endian: <msg> 6 bytes, <rcpt> 4, <lane> 1 (see laneID), <due> and <at> 8 (Unix milliseconds). A
// destination has no zero byte and at most maxDest bytes.
const (
	keyHead     = 'h'
	keyMessage  = 'm'
	keyName     = 'n'
	keyItem     = 'i'
	keyHistory  = 'o'
	keyDue      = 'd'
	keyMark     = 'e'
	keyStaged   = 'g'
	keyOldTrace = 't'
)

const (
	maxDest = 255
	maxNum  = 1<<48 - 1
)

// msgNum is a message's number in its shard, and its content's.
type msgNum uint64

// itemKey names an item.
type itemKey struct {
	msg   msgNum
	rcpt  uint32
	shard uint8
}

// shardOf says where the message called id lies.
func shardOf(id string) uint8 {
	return uint8(fnv1a(id) % Shards)
}

// fnv1a is the hash of that name (FNV-1a, 32 bits), without hash/fnv's copy and allocation.
func fnv1a(s string) uint32 {
	h := uint32(2166136261)
	for i := range len(s) {
		h = (h ^ uint32(s[i])) * 16777619
	}
	return h
}

func partition(shard uint8) kv.Partition { return FirstPartition + kv.Partition(shard) }

func appendMsg(k []byte, m msgNum) []byte {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], uint64(m))
	return append(k, b[2:]...)
}

func appendItem(k []byte, m msgNum, rcpt uint32) []byte {
	return binary.BigEndian.AppendUint32(appendMsg(k, m), rcpt)
}

func headKey() []byte                         { return []byte{keyHead} }
func messageKey(m msgNum) []byte              { return appendMsg([]byte{keyMessage}, m) }
func nameKey(id string) []byte                { return append([]byte{keyName}, id...) }
func stagedKey(m msgNum) []byte               { return appendMsg([]byte{keyStaged}, m) }
func recKey(m msgNum, rcpt uint32) []byte     { return appendItem([]byte{keyItem}, m, rcpt) }
func historyKey(m msgNum, rcpt uint32) []byte { return appendItem([]byte{keyHistory}, m, rcpt) }

// lanePrefix begins the keys of a destination's items to try, of one lane.
func lanePrefix(dest string, lane laneID) []byte {
	k := append(make([]byte, 0, len(dest)+22), keyDue)
	k = append(k, dest...)
	return append(k, 0, byte(lane))
}

func dueKey(dest string, lane laneID, due int64, m msgNum, rcpt uint32) []byte {
	return appendItem(binary.BigEndian.AppendUint64(lanePrefix(dest, lane), uint64(due)), m, rcpt)
}

// laneRange is the lane's keys from the due time on.
func laneRange(dest string, lane laneID, from int64) kv.Range {
	return kv.Range{
		Lo: binary.BigEndian.AppendUint64(lanePrefix(dest, lane), uint64(from)),
		Hi: append(lanePrefix(dest, lane), 0xff), // no time begins so
	}
}

// splitDue takes a key of the due index apart.
func splitDue(k []byte) (dest string, lane laneID, due int64, m msgNum, rcpt uint32, ok bool) {
	const tail = 1 + 1 + 8 + 6 + 4
	at := len(k) - tail
	if at < 1 || k[at] != 0 {
		return "", 0, 0, 0, 0, false
	}
	due, m, rcpt = splitTimed(k[at+2:])
	lane = laneID(k[at+1])
	return string(k[1:at]), lane, due, m, rcpt, lane.valid()
}

func markKey(at int64, m msgNum, rcpt uint32) []byte {
	return appendItem(binary.BigEndian.AppendUint64([]byte{keyMark}, uint64(at)), m, rcpt)
}

// splitTimed takes <time> <msg> <rcpt> apart.
func splitTimed(k []byte) (at int64, m msgNum, rcpt uint32) {
	at = int64(binary.BigEndian.Uint64(k))
	m, rcpt = splitItem(k[8:])
	return at, m, rcpt
}

func splitItem(k []byte) (msgNum, uint32) {
	var b [8]byte
	copy(b[2:], k[:6])
	return msgNum(binary.BigEndian.Uint64(b[:])), binary.BigEndian.Uint32(k[6:])
}

// all is the range of keys with a prefix of one byte.
func all(prefix byte) kv.Range { return kv.Range{Lo: []byte{prefix}, Hi: []byte{prefix + 1}} }

// itemsOf is the range of a message's keys under prefix.
func itemsOf(prefix byte, m msgNum) kv.Range {
	return kv.Range{Lo: appendMsg([]byte{prefix}, m), Hi: append(appendItem([]byte{prefix}, m, 1<<32-1), 0)}
}
