"""The express lane: whole, ordinary pictures from a camera's socket to its viewers, compiled.

Nearly everything that a relay does is the same picture over and over: fragments of one P slice, no
number missing, the marker where it belongs. The lane (`lane.pyx`, C by way of Cython) does that and
nothing else: it reads the socket, cuts payloads to size, writes headers, protects and sends. A
picture that is in any way out of the ordinary (new parameter sets, a gap, a message of RTSP, a line
that must be paced) is handed back byte by byte as it came, and `gateway.ingest` and
`gateway.media` take it as if there were no lane; after it, the lane may start again.

What it has relayed it keeps by itself: the GOP, for who joins, and two seconds, for who misses
packets. They come to cache and history when somebody asks, and what those have kept from before is
let go once the lane has all that anybody could ask for. Counters, the times of keyframes and the
camera's RTCP are read without that.

Where the lane is not compiled, everything goes the ordinary way: the same bytes, at two to three
times the processor time.
"""
