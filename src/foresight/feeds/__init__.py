"""Feeds: the bot's adapters to the venues' sockets. I/O at the edge; what arrives is decoded by `foresight.wire`."""
