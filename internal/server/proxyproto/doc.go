// Package proxyproto learns from a load balancer in front of us who the client
// really is: the PROXY protocol, versions 1 and 2, at the start of a connection.
//
//	version 1   "PROXY TCP4 192.0.2.7 198.51.100.1 40000 25\r\n", at most 107 bytes
//	version 2   signature(12) version|command(1) family|protocol(1) length(2) addresses TLVs...
//
// Only peers that are trusted may say so. Whatever others send is passed on
// as it is: a client that connects directly can't pretend to be somebody else.
//
// Follows https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt. Of the
// TLVs only the checksum is looked at.
package proxyproto
