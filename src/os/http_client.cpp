#include "os/http_client.h"

#include "base/bytes.h"
#include "os/curl_internal.h"

namespace minato::http {
namespace {

struct Answer {
  ClientResponse response;
  std::size_t bytes_max = 0;
  std::size_t header_bytes = 0;
  bool too_large = false;
};

std::size_t take_body(char* data, std::size_t, std::size_t size, void* cls) {
  auto& answer = *static_cast<Answer*>(cls);
  if (answer.response.body.size() + size > answer.bytes_max) {
    answer.too_large = true;
    return 0;
  }
  answer.response.body.append(data, size);
  return size;
}

std::size_t take_header(char* data, std::size_t, std::size_t size, void* cls) {
  auto& answer = *static_cast<Answer*>(cls);
  std::string_view line(data, size);
  if (line.starts_with("HTTP/")) {  // of an interim answer first, then of the final one
    answer.response.headers.clear();
    return size;
  }
  answer.header_bytes += size;
  if (answer.header_bytes > kHttpHeaderBytesMax) {
    answer.too_large = true;
    return 0;
  }
  while (!line.empty() && (line.back() == '\n' || line.back() == '\r')) line.remove_suffix(1);
  const auto colon = line.find(':');
  if (colon != std::string_view::npos) {
    answer.response.headers.emplace_back(line.substr(0, colon), trim(line.substr(colon + 1)));
  }
  return size;
}

Result<CurlList> header_list(const ClientRequest& request) {
  CurlList list;
  bool ok = append(list, "Expect:");  // no pause of a second before each body
  if (!find(request.headers, "Content-Type")) ok = ok && append(list, "Content-Type:");  // nor libcurl's guess
  for (const auto& [name, value] : request.headers) {
    if (!is_token(name) || !is_field_value(value)) return fail(Errc::kRefused, "HTTP: a malformed request header");
    ok = ok && append(list, value.empty() ? name + ";" : name + ": " + value);
  }
  if (!ok) return fail(Errc::kUnavailable, "HTTP: out of memory");
  return list;
}

void set_method(CURL* handle, const ClientRequest& request) {
  if (request.method == "HEAD") {
    curl_easy_setopt(handle, CURLOPT_NOBODY, 1L);
    return;
  }
  if (!request.body.empty() || request.method == "POST" || request.method == "PUT" || request.method == "PATCH") {
    curl_easy_setopt(handle, CURLOPT_POST, 1L);
    curl_easy_setopt(handle, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
    curl_easy_setopt(handle, CURLOPT_POSTFIELDS, request.body.data());
  }
  curl_easy_setopt(handle, CURLOPT_CUSTOMREQUEST, request.method.c_str());
}

void set_limits(CURL* handle, const ClientRequest& request) {
  curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(handle, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(handle, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(handle, CURLOPT_PROXY, "");  // no proxy out of the environment: where data goes is configured
  curl_easy_setopt(handle, CURLOPT_TIMEOUT_MS, static_cast<long>(request.timeout.count()));
  curl_easy_setopt(handle, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(request.connect_timeout.count()));
  curl_easy_setopt(handle, CURLOPT_MAXFILESIZE_LARGE, static_cast<curl_off_t>(request.answer_bytes_max));
}

void set_tls(CURL* handle, const ClientRequest& request) {
  set_curl_trust(handle, request.ca_file);
  if (request.certificate_file.empty()) return;
  curl_easy_setopt(handle, CURLOPT_SSLCERT, request.certificate_file.c_str());
  curl_easy_setopt(handle, CURLOPT_SSLKEY, request.key_file.c_str());
}

// Never with the URL in it: a query may name a patient.
Error error_of(CURLcode code, const Answer& answer) {
  if (answer.too_large || code == CURLE_FILESIZE_EXCEEDED) return {Errc::kTooLarge, "HTTP: the answer is too large"};
  return {curl_refused(code) ? Errc::kRefused : Errc::kRetry, std::string("HTTP: ") + curl_easy_strerror(code)};
}

}  // namespace

struct Client::State {
  CurlEasy handle = new_curl_easy();
};

Client::Client() : state_(std::make_unique<State>()) {}
Client::~Client() = default;
Client::Client(Client&&) noexcept = default;
Client& Client::operator=(Client&&) noexcept = default;

Result<ClientResponse> Client::send(const ClientRequest& request) {
  CURL* handle = state_->handle.get();
  if (handle == nullptr) return fail(Errc::kUnavailable, "HTTP: libcurl is not available");
  if (!is_token(request.method)) return fail(Errc::kRefused, "HTTP: a malformed method");
  if (!is_field_value(request.url)) return fail(Errc::kRefused, "HTTP: a malformed URL");
  if (request.timeout.count() < 1) return fail(Errc::kRetry, "HTTP: no time left");
  MN_TRY(headers, header_list(request));
  curl_easy_reset(handle);  // keeps the open connections
  Answer answer{.response = {}, .bytes_max = request.answer_bytes_max};
  curl_easy_setopt(handle, CURLOPT_URL, request.url.c_str());
  curl_easy_setopt(handle, CURLOPT_HTTPHEADER, headers.get());
  set_method(handle, request);
  set_limits(handle, request);
  set_tls(handle, request);
  curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, &take_body);
  curl_easy_setopt(handle, CURLOPT_WRITEDATA, &answer);
  curl_easy_setopt(handle, CURLOPT_HEADERFUNCTION, &take_header);
  curl_easy_setopt(handle, CURLOPT_HEADERDATA, &answer);
  const CURLcode code = curl_easy_perform(handle);
  if (code != CURLE_OK) return std::unexpected(error_of(code, answer));
  long status = 0;
  curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &status);
  answer.response.status = static_cast<int>(status);
  return std::move(answer.response);
}

Status delivery_status(int status) {
  if (status >= 200 && status < 300) return {};
  const bool later =
      status == 408 || status == 425 || status == 429 || (status >= 500 && status != 501 && status != 505);
  return fail(later ? Errc::kRetry : Errc::kRefused, "HTTP: answered with status " + std::to_string(status));
}

}  // namespace minato::http
