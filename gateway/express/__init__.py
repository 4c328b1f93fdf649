"""The express lane: whole, ordinary pictures from a camera's socket to its viewers, compiled.

Nearly everything that a relay does is the same picture over and over: fragments of one P slice, no
number missing, the marker where it belongs. The lane (`lane.pyx`, C by way of Cython) does that and
nothing else: it reads the socket, cuts payloads to size, writes headers, protects and sends. A
picture that is in any way out of the ordinary (a keyframe, a gap, a message of RTSP, a report, a
line that must be paced) is handed back byte by byte as it came, and `gateway.ingest` and
`gateway.media` take it as if there were no lane; after it, the lane may start again. What was
relayed comes to the cache, to the history and to the counters a few pictures later, and at once
when somebody asks.

Where the lane is not compiled, everything goes the ordinary way: the same bytes, at two to three
times the processor time.
"""
