"""The features beyond a full handshake, with every peer that knows them, in both directions.

One file for each peer, one function for each feature and direction. A function is one or two real connections, with
data both ways; it raises when anything did not go as it should.
"""
