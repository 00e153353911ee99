// A thread with a name that stops when it is destroyed: std::jthread and the name that ps and a core dump show.
#pragma once

#include <functional>
#include <stop_token>
#include <string>
#include <thread>

namespace minato {

// `name` is at most 15 bytes long; the rest is cut. The thread takes no signals: main handles them.
std::jthread start_thread(std::string name, std::function<void(std::stop_token)> body);

// Makes the process ignore SIGPIPE unless it has a handler: a peer that vanishes is an error of the write, not the end
// of us. OpenSSL and libcurl write without MSG_NOSIGNAL, so whatever here uses them calls this first.
void ignore_broken_pipes();

}  // namespace minato
