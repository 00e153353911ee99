#include "os/thread.h"

#include <pthread.h>
#include <signal.h>

namespace minato {

std::jthread start_thread(std::string name, std::function<void(std::stop_token)> body) {
  // The mask is inherited: set here, so that no signal falls into the thread before it could block it itself.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  std::jthread thread([name = name.substr(0, 15), body = std::move(body)](std::stop_token stop) {
    pthread_setname_np(pthread_self(), name.c_str());
    body(std::move(stop));
  });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return thread;
}

void ignore_broken_pipes() {
  struct sigaction now{};
  if (sigaction(SIGPIPE, nullptr, &now) != 0 || now.sa_handler != SIG_DFL) return;
  now.sa_handler = SIG_IGN;
  sigaction(SIGPIPE, &now, nullptr);
}

}  // namespace minato
