// One non-blocking, connected byte stream, plain or TLS, and a blocking form of it with deadlines.
// A stream belongs to one thread at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/time.h"
#include "os/socket.h"
#include "os/tls.h"

namespace minato {

enum class IoState : std::uint8_t {
  kDone,       // `bytes` were moved (at least one), or the handshake is complete
  kWantRead,   // nothing was moved; call again when the descriptor is readable
  kWantWrite,  // nothing was moved; call again when the descriptor is writable
  kClosed,     // the peer ended its side in order (FIN, close_notify); it may still read
  kError,      // the connection is broken: reset, TLS failure, TLS ended without close_notify; see error_text()
};
struct IoResult {
  IoState state = IoState::kError;
  std::size_t bytes = 0;
};

class Stream {
 public:
  virtual ~Stream() = default;
  Stream() = default;
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  // Goes on with the TLS handshake; kDone when it is complete (at once for a plain stream). read and write do the same
  // by themselves, so only who needs identity() before the first byte must call it. A TLS read may want to write, and a
  // write may want to read: wait for what the state says, not for what the call was named.
  virtual IoResult handshake() = 0;
  // Reads up to into.size() bytes. Level-triggered epoll does not see bytes that TLS has already decrypted: read until
  // the state is not kDone, or ask has_buffered() before waiting.
  virtual IoResult read(std::span<char> into) = 0;
  // Writes a prefix of `bytes`, which is not empty. After kWantRead or kWantWrite the next call must bring the same
  // bytes again, from the same or another place in memory, and may bring more behind them.
  virtual IoResult write(std::string_view bytes) = 0;
  // Ends our side (FIN, close_notify) when all was written. The peer reads what was sent and then kClosed.
  virtual IoResult shutdown() = 0;
  virtual bool has_buffered() const { return false; }

  virtual int fd() const = 0;
  virtual const SocketAddress& peer() const = 0;
  // The peer's verified certificate; nullopt for a plain stream, before the handshake is complete, or when it gave
  // none.
  virtual std::optional<PeerIdentity> identity() const { return std::nullopt; }
  // What broke the stream, in words for the log: an errno name or OpenSSL's reason, never bytes of the stream.
  virtual std::string error_text() const = 0;
};

std::unique_ptr<Stream> plain_stream(Fd fd, const SocketAddress& peer);
Result<std::unique_ptr<Stream>> tls_server_stream(Accepted accepted, const TlsServerContext& context);
// The server's certificate must be valid for `server_name` (a DNS name or the text of an address), which is also sent
// as SNI.
Result<std::unique_ptr<Stream>> tls_client_stream(Accepted connected, const TlsClientContext& context,
                                                  std::string_view server_name);

// A stream whose calls wait, each until its deadline.
//   MN_TRY(link, connect_stream({.endpoint = {"lab.example", 2575}}, deadline));
//   MN_CHECK(link.write_all(frame, deadline));
// kRetry: not done by the deadline, or the link broke. kRefused: one side does not accept the other's certificate (with
// TLS 1.3 a client learns this from its first read). After any error the stream is of no more use. An error after bytes
// were written says nothing about whether they arrived.
class BlockingStream {
 public:
  explicit BlockingStream(std::unique_ptr<Stream> stream) : stream_(std::move(stream)) {}

  Status handshake(Deadline deadline);
  // The number of bytes read, at least one; 0: the peer ended its side.
  Result<std::size_t> read_some(std::span<char> into, Deadline deadline);
  Status write_all(std::string_view bytes, Deadline deadline);
  // Whether a read would not wait: bytes have come, or the end. An idle link on which this is true before we asked
  // anything has been closed by the peer or is out of step.
  bool readable_now() const;
  Stream& stream() { return *stream_; }

 private:
  Status wait(IoState wanted, Deadline deadline) const;
  std::unexpected<Error> broken(const char* doing) const;
  std::unique_ptr<Stream> stream_;
};

struct ConnectOptions {
  Endpoint endpoint = {};
  const TlsClientContext* tls = nullptr;  // null: plain
  std::string server_name = {};           // for TLS; empty: the endpoint's host
  std::optional<KeepAlive> keep_alive = KeepAlive{};
};
// Connected, and with TLS through the handshake. kRetry and kRefused as above.
Result<BlockingStream> connect_stream(const ConnectOptions& options, Deadline deadline);

}  // namespace minato
