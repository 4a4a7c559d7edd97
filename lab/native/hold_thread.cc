// Stops one thread of another process, and no other of it, until it is killed itself: a thread that hangs. Says so when it is done.
// hold_thread TID
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

int main(int argc, char** argv) {
  const pid_t thread = argc == 2 ? std::atoi(argv[1]) : 0;
  if (thread <= 0) return 2;
  int status = 0;
  if (ptrace(PTRACE_SEIZE, thread, nullptr, nullptr) != 0 || ptrace(PTRACE_INTERRUPT, thread, nullptr, nullptr) != 0 ||
      waitpid(thread, &status, __WALL) != thread || !WIFSTOPPED(status)) {
    std::perror("hold_thread");
    return 1;
  }
  std::puts("held");
  std::fflush(stdout);
  // Whatever it is sent, it stays where it is; its end alone is let through.
  while (waitpid(thread, &status, __WALL) == thread && WIFSTOPPED(status)) {
  }
  return 0;
}
