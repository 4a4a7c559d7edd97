// How a process ends that a call of one of its threads would keep.
#pragma once

namespace weft {

// Lets go of every descriptor but the standard ones and those of directories, and ends the process without waiting for its threads, as
// exit(3) of Node would. A thread that no signal reaches, in a call to a disk that does not answer, keeps what is left of the process until it
// returns: its sockets are free at once, and the lock on the directory of the state only then, for that call may change what is in it.
[[noreturn]] void end_process(int status);

}  // namespace weft
