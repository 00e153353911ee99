#include "os/stream.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/limits.h"
#include "os/tls_internal.h"
#include "os/wait.h"

namespace minato {
namespace {

bool would_block(int error) { return error == EAGAIN || error == EWOULDBLOCK; }

class PlainStream final : public Stream {
 public:
  PlainStream(Fd fd, const SocketAddress& peer) : fd_(std::move(fd)), peer_(peer) {}

  IoResult handshake() override { return {IoState::kDone, 0}; }

  IoResult read(std::span<char> into) override {
    for (;;) {
      const auto count = ::recv(fd_.get(), into.data(), into.size(), 0);
      if (count > 0) return {IoState::kDone, static_cast<std::size_t>(count)};
      if (count == 0) return {IoState::kClosed, 0};
      if (errno != EINTR) return failed(IoState::kWantRead);
    }
  }

  IoResult write(std::string_view bytes) override {
    for (;;) {
      const auto count = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (count >= 0) return {IoState::kDone, static_cast<std::size_t>(count)};
      if (errno != EINTR) return failed(IoState::kWantWrite);
    }
  }

  IoResult shutdown() override {
    if (::shutdown(fd_.get(), SHUT_WR) != 0) return failed(IoState::kError);
    return {IoState::kDone, 0};
  }

  int fd() const override { return fd_.get(); }
  const SocketAddress& peer() const override { return peer_; }
  std::string error_text() const override { return error_ == 0 ? "none" : strerrordesc_np(error_); }

 private:
  IoResult failed(IoState when_blocked) {
    if (would_block(errno)) return {when_blocked, 0};
    error_ = errno;
    return {IoState::kError, 0};
  }

  Fd fd_;
  SocketAddress peer_;
  int error_ = 0;
};

class TlsStream final : public Stream {
 public:
  TlsStream(Accepted link, SSL* ssl) : fd_(std::move(link.fd)), peer_(link.peer), ssl_(ssl) {}
  ~TlsStream() override { SSL_free(ssl_); }

  IoResult handshake() override {
    if (broken_) return {IoState::kError, 0};
    ERR_clear_error();
    const int result = SSL_do_handshake(ssl_);
    return result == 1 ? IoResult{IoState::kDone, 0} : failed(result);
  }

  IoResult read(std::span<char> into) override {
    if (broken_) return {IoState::kError, 0};
    ERR_clear_error();
    std::size_t count = 0;
    const int result = SSL_read_ex(ssl_, into.data(), into.size(), &count);
    return result == 1 ? IoResult{IoState::kDone, count} : failed(result);
  }

  IoResult write(std::string_view bytes) override {
    if (broken_) return {IoState::kError, 0};
    ERR_clear_error();
    std::size_t count = 0;
    const int result = SSL_write_ex(ssl_, bytes.data(), bytes.size(), &count);
    return result == 1 ? IoResult{IoState::kDone, count} : failed(result);
  }

  IoResult shutdown() override {
    if (broken_) return {IoState::kError, 0};
    ERR_clear_error();
    const int result = SSL_shutdown(ssl_);  // 0: ours is sent, the peer's has not come yet
    if (result < 0) return failed(result);
    ::shutdown(fd_.get(), SHUT_WR);
    return {IoState::kDone, 0};
  }

  bool has_buffered() const override { return SSL_has_pending(ssl_) == 1; }
  int fd() const override { return fd_.get(); }
  const SocketAddress& peer() const override { return peer_; }
  std::string error_text() const override { return error_.empty() ? "none" : error_; }

  std::optional<PeerIdentity> identity() const override {
    if (SSL_is_init_finished(ssl_) != 1) return std::nullopt;
    return verified_identity(ssl_);
  }

 private:
  IoResult failed(int result) {
    const int system_error = errno;
    switch (SSL_get_error(ssl_, result)) {
      case SSL_ERROR_WANT_READ:
        return {IoState::kWantRead, 0};
      case SSL_ERROR_WANT_WRITE:
        return {IoState::kWantWrite, 0};
      case SSL_ERROR_ZERO_RETURN:
        return {IoState::kClosed, 0};
      case SSL_ERROR_SYSCALL:
        error_ = system_error == 0 ? "the link ended" : strerrordesc_np(system_error);
        break;
      default:
        error_ = verify_text();
        break;
    }
    broken_ = true;
    return {IoState::kError, 0};
  }

  // OpenSSL says only "certificate verify failed"; the verification's own result says why.
  std::string verify_text() const {
    std::string text = tls_error_text();
    const long verified = SSL_get_verify_result(ssl_);
    if (verified != X509_V_OK) text += std::string(": ") + X509_verify_cert_error_string(verified);
    return text;
  }

  Fd fd_;
  SocketAddress peer_;
  SSL* ssl_;
  std::string error_;
  bool broken_ = false;
};

Result<SSL*> attach(const std::shared_ptr<ssl_ctx_st>& context, const Accepted& link) {
  SSL* ssl = SSL_new(context.get());  // holds the context as long as it lives, whatever reload() does
  if (ssl == nullptr || SSL_set_fd(ssl, link.fd.get()) != 1) {
    SSL_free(ssl);
    return fail(Errc::kUnavailable, "TLS: no session: " + tls_error_text());
  }
  return ssl;
}

bool expect_server(SSL* ssl, const std::string& server_name) {
  X509_VERIFY_PARAM* const parameters = SSL_get0_param(ssl);
  if (const auto ip = IpAddress::parse(server_name)) {
    return X509_VERIFY_PARAM_set1_ip_asc(parameters, ip->text().c_str()) == 1;
  }
  SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  return SSL_set1_host(ssl, server_name.c_str()) == 1 && SSL_set_tlsext_host_name(ssl, server_name.c_str()) == 1;
}

}  // namespace

std::unique_ptr<Stream> plain_stream(Fd fd, const SocketAddress& peer) {
  return std::make_unique<PlainStream>(std::move(fd), peer);
}

Result<std::unique_ptr<Stream>> tls_server_stream(Accepted accepted, const TlsServerContext& context) {
  MN_TRY(ssl, attach(context.current(), accepted));
  SSL_set_accept_state(ssl);
  return std::make_unique<TlsStream>(std::move(accepted), ssl);
}

Result<std::unique_ptr<Stream>> tls_client_stream(Accepted connected, const TlsClientContext& context,
                                                  std::string_view server_name) {
  MN_TRY(ssl, attach(context.current(), connected));
  auto stream = std::make_unique<TlsStream>(std::move(connected), ssl);
  if (!expect_server(ssl, std::string(server_name))) return fail(Errc::kRefused, "TLS: the server's name is malformed");
  SSL_set_connect_state(ssl);
  return stream;
}

Status BlockingStream::wait(IoState wanted, Deadline deadline) const {
  const short events = wanted == IoState::kWantWrite ? POLLOUT : POLLIN;
  pollfd entry{.fd = stream_->fd(), .events = events, .revents = 0};
  for (;;) {
    const int ready = ::poll(&entry, 1, milliseconds_until(deadline));
    if (ready > 0) return {};
    if (ready == 0 && passed(deadline)) return fail(Errc::kRetry, "timed out");
    if (ready < 0 && errno != EINTR) return fail(Errc::kRetry, std::string("poll: ") + strerrordesc_np(errno));
  }
}

// OpenSSL's reasons for a certificate that is not accepted, ours or the peer's, all have the word.
std::unexpected<Error> BlockingStream::broken(const char* doing) const {
  const std::string text = stream_->error_text();
  const bool certificate =
      text.find("certificate") != std::string::npos || text.find("unknown ca") != std::string::npos;
  return fail(certificate ? Errc::kRefused : Errc::kRetry, std::string(doing) + ": " + text);
}

Status BlockingStream::handshake(Deadline deadline) {
  for (;;) {
    const IoResult result = stream_->handshake();
    if (result.state == IoState::kDone) return {};
    if (result.state == IoState::kClosed) return fail(Errc::kRetry, "TLS: closed during the handshake");
    if (result.state == IoState::kError) return broken("TLS");
    MN_CHECK(wait(result.state, deadline));
  }
}

Result<std::size_t> BlockingStream::read_some(std::span<char> into, Deadline deadline) {
  for (;;) {
    const IoResult result = stream_->read(into);
    if (result.state == IoState::kDone) return result.bytes;
    if (result.state == IoState::kClosed) return std::size_t{0};
    if (result.state == IoState::kError) return broken("read");
    MN_CHECK(wait(result.state, deadline));
  }
}

Status BlockingStream::write_all(std::string_view bytes, Deadline deadline) {
  while (!bytes.empty()) {
    const IoResult result = stream_->write(bytes.substr(0, kStreamChunkBytes));
    if (result.state == IoState::kDone) {
      bytes.remove_prefix(result.bytes);
    } else if (result.state == IoState::kClosed || result.state == IoState::kError) {
      return broken("write");
    } else {
      MN_CHECK(wait(result.state, deadline));
    }
  }
  return {};
}

bool BlockingStream::readable_now() const {
  if (stream_->has_buffered()) return true;
  pollfd entry{.fd = stream_->fd(), .events = POLLIN, .revents = 0};
  return ::poll(&entry, 1, 0) > 0;
}

Result<BlockingStream> connect_stream(const ConnectOptions& options, Deadline deadline) {
  MN_TRY(connected, connect_tcp(options.endpoint, deadline));
  if (options.keep_alive) MN_CHECK(set_keep_alive(connected.fd, *options.keep_alive));
  if (options.tls == nullptr) {
    const SocketAddress peer = connected.peer;
    return BlockingStream(plain_stream(std::move(connected.fd), peer));
  }
  const std::string& name = options.server_name.empty() ? options.endpoint.host : options.server_name;
  MN_TRY(stream, tls_client_stream(std::move(connected), *options.tls, name));
  BlockingStream blocking(std::move(stream));
  MN_CHECK(blocking.handshake(deadline));
  return blocking;
}

}  // namespace minato
