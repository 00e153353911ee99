// HTTP requests to others, by libcurl: webhooks, PIXm/PDQm, tokens.
//
//   http::Client client;
//   MN_TRY(answer, client.send({.method = "POST", .url = hook.url, .headers = {...}, .body = json, .timeout = 10s}));
//
// A client keeps its connections open between requests. It belongs to one thread at a time.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "base/error.h"
#include "base/limits.h"
#include "os/http_types.h"

namespace minato::http {

struct ClientRequest {
  std::string method = "GET";
  std::string url = {};  // http or https only
  Headers headers = {};  // CR, LF or NUL in one is refused
  std::string body = {};
  std::chrono::milliseconds timeout{30'000};         // for all of it
  std::chrono::milliseconds connect_timeout{5'000};  // for connecting and TLS
  std::size_t answer_bytes_max = kHttpAnswerBytesMax;
  std::string ca_file = {};           // PEM; empty: the system's list
  std::string certificate_file = {};  // our own, PEM; empty: none
  std::string key_file = {};
};

struct ClientResponse {
  int status = 0;
  Headers headers = {};  // of the final answer
  std::string body = {};
};

class Client {
 public:
  Client();
  ~Client();
  Client(Client&&) noexcept;
  Client& operator=(Client&&) noexcept;

  // Any status is an answer, 500 too; redirects are not followed (a destination that moves is a change of
  // configuration). kRetry: no connection, time-out, or the link broke; whether the peer acted on the request is then
  // unknown. kRefused: a malformed URL or header, another scheme, a certificate that does not verify. kTooLarge: the
  // answer's size.
  Result<ClientResponse> send(const ClientRequest& request);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// What an answer's status means for a delivery: 2xx success; 408, 425, 429 and 5xx (but 501, 505) kRetry; all else
// kRefused.
Status delivery_status(int status);

}  // namespace minato::http
