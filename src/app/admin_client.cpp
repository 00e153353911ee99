#include "app/admin_client.h"

#include <cstdio>

#include "os/files.h"
#include "os/http_types.h"

namespace minato {
namespace {

std::string trimmed(std::string text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r' || text.back() == ' ')) text.pop_back();
  return text;
}

Result<std::string> read_line(const std::string& path) {
  MN_TRY(text, read_file(real_files(), path, 64 * kKiB));
  return trimmed(std::move(text));
}

Errc class_of(int status) {
  if (status == 404) return Errc::kNotFound;
  if (status == 409) return Errc::kConflict;
  if (status == 413) return Errc::kTooLarge;
  return status >= 500 ? Errc::kUnavailable : Errc::kRefused;
}

std::string detail_of(const http::ClientResponse& response) {
  const auto document = json::parse(response.body);
  const std::string detail(document ? document->root()["detail"].string_or("") : "");
  return detail.empty() ? "the server answered " + std::to_string(response.status) : detail;
}

}  // namespace

Result<AdminClient> AdminClient::open(const AdminOptions& options) {
  AdminClient out;
  out.ca_file_ = options.ca_file;
  if (options.url.empty()) {
    auto url = read_line(options.data_dir + "/admin.url");
    if (!url) return fail(Errc::kUnavailable, "no server runs on " + options.data_dir + " (or give --url)");
    out.url_ = *url;
  } else {
    out.url_ = options.url;
  }
  while (out.url_.ends_with('/')) out.url_.pop_back();
  const std::string file = options.token_file.empty() ? options.data_dir + "/admin.token" : options.token_file;
  auto token = read_line(file);
  if (!token) return context("token in " + file, token.error());
  out.token_ = *token;
  return out;
}

Result<std::string> AdminClient::send(std::string method, const std::string& path, std::string body,
                                      std::string content_type) {
  http::ClientRequest request;
  request.method = std::move(method);
  request.url = url_ + path;
  request.headers.emplace_back("Authorization", "Bearer " + token_);
  if (!content_type.empty()) request.headers.emplace_back("Content-Type", std::move(content_type));
  request.body = std::move(body);
  request.ca_file = ca_file_;
  request.answer_bytes_max = 256 * kMiB;
  auto response = client_.send(request);
  if (!response) {
    const Errc code = response.error().code == Errc::kRetry ? Errc::kUnavailable : response.error().code;
    return fail(code, response.error().what);
  }
  if (response->status < 200 || response->status > 299) return fail(class_of(response->status), detail_of(*response));
  return std::move(response->body);
}

void add_query(std::string& path, std::string_view name, std::string_view value) {
  if (value.empty()) return;
  path += path.find('?') == std::string::npos ? '?' : '&';
  path += std::string(name) + "=" + http::percent_encode(value);
}

int report(const Error& error) {
  std::fprintf(stderr, "minato: %s\n", error.what.c_str());
  switch (error.code) {
    case Errc::kNotFound:
      return kExitNegative;
    case Errc::kRefused:
    case Errc::kTooLarge:
      return kExitUsage;
    case Errc::kUnavailable:
    case Errc::kRetry:
      return kExitUnavailable;
    default:
      return kExitFailed;
  }
}

void print_lines(json::Value array) {
  for (const auto entry : array.entries()) std::printf("%s\n", json::to_text(entry.value).c_str());
}

}  // namespace minato
