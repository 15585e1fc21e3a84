#include "textflag.h"

// func pause()
// Tells the core that it spins: the sibling thread gets its units and the loop leaves without a mis-speculation.
TEXT ·pause(SB), NOSPLIT, $0-0
	PAUSE
	RET
