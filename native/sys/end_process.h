// How a process ends that a call of one of its threads would keep.
#pragma once

namespace weft {

// Lets go of every descriptor but the standard ones, and ends the process without waiting for its threads, as exit(3) of Node would. A thread
// that no signal reaches, in a call to a disk that does not answer, keeps what is left of the process until it returns; its sockets and
// locks are free at once.
[[noreturn]] void end_process(int status);

}  // namespace weft
