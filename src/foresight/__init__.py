"""Foresight: a bot for short prediction markets that is never not watching."""
