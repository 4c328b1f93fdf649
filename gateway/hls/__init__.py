"""HTTP Live Streaming: playlists, and which segment of a live one comes next (RFC 8216)."""
