"""Viewers over WebRTC: sessions, SDP, ICE, DTLS, SRTP, retransmission, RTCP."""
