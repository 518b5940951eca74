"""Why a connection failed, in words: the cause, what was presented and trusted, and what helps."""
