// Scheduling of the calling thread. All of it is a wish: where the system does not permit it, nothing changes.
#pragma once

namespace minato::os {

// At most 15 bytes; what ps and a core dump show.
void name_this_thread(const char* name);
// SCHED_FIFO (needs CAP_SYS_NICE or RLIMIT_RTPRIO). True when granted.
bool request_realtime(int priority);
// For work that nobody waits for: the lowest normal priority.
void yield_to_others();

}  // namespace minato::os
