// Handing a message to another system: by MLLP, as a signed HTTP call, as a file. Receivers recognise a repetition by
// the message's control id, the idempotency key, or the file's name, so a delivery that may have happened is simply
// repeated.
//
//   MN_TRY(lab, make_deliverer(options, files, clock));
//   DeliveryResult result = lab->deliver({.bytes = message, .idempotency_key = "lab:17:copies", .seq = Seq{17}}, stop);
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/ids.h"
#include "base/time.h"
#include "flow/breaker.h"
#include "os/clock.h"
#include "os/files.h"
#include "os/tls.h"

namespace minato {

enum class DestinationKind : std::uint8_t { kMllp, kWebhook, kFile };
// What becomes of a message that the receiver answered with AE or AR.
enum class NegativeAnswer : std::uint8_t { kPark, kRetry, kAccept };
enum class WebhookBody : std::uint8_t { kHl7, kJson };

struct DestinationOptions {
  std::string name;
  DestinationKind kind = DestinationKind::kMllp;
  BreakerOptions breaker;
  // kMllp
  std::string host;
  std::uint16_t port = 0;
  std::shared_ptr<TlsClientContext> tls;  // null: plain
  std::chrono::milliseconds ack_timeout{30'000};
  NegativeAnswer on_ae = NegativeAnswer::kPark, on_ar = NegativeAnswer::kPark;
  // kWebhook
  std::string url, ca_file;
  std::string secret;  // of the signature
  WebhookBody body = WebhookBody::kHl7;
  // kFile: {date} of receipt, {type}, {trigger}, {control_id}, {seq}; everything else stands for itself, '/' makes
  // folders.
  std::string directory, file_name = "{date}/{type}/{seq}.hl7";
};

struct Delivery {
  std::string_view bytes;       // one message
  std::string idempotency_key;  // the same for every attempt
  Seq seq;
  Time received{};
};

struct DeliveryResult {
  enum class State : std::uint8_t { kDone, kRetry, kRefused };
  State state = State::kDone;
  std::string detail;  // "AA", "200", or what went wrong; never a value out of the message
  std::optional<Time> retry_at;
};

class Deliverer {
 public:
  virtual ~Deliverer() = default;
  // Waits for the receiver's answer, or a time-out. Thread-safe; a destination delivers one message at a time, in the
  // order of the calls.
  virtual DeliveryResult deliver(const Delivery& delivery, const std::stop_token& stop) = 0;
};

// kRefused: options that make no destination.
Result<std::unique_ptr<Deliverer>> make_deliverer(const DestinationOptions& options, Files& files, Clock& clock);

// t=1700000000,v1=<hex of HMAC-SHA-256(secret, "1700000000." + body)>: the header Minato-Signature. A receiver
// recomputes it, compares in constant time, and refuses a time that is too far off.
std::string webhook_signature(std::string_view secret, Time now, std::string_view body);

// The file's name for a message; kRefused: it would leave the directory or has an empty part. Values out of the message
// are reduced to letters, digits, '-', '_' and '.'.
Result<std::string> delivery_file_name(std::string_view pattern, const Delivery& delivery);

}  // namespace minato
