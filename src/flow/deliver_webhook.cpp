#include <charconv>
#include <mutex>

#include "base/json_writer.h"
#include "crypto/base64.h"
#include "crypto/sha256.h"
#include "flow/deliver_kinds.h"
#include "format/charset/charset.h"
#include "format/hl7/message.h"
#include "os/http_client.h"

namespace minato {
namespace {

// Longer pauses than this are the breaker's and the back-off's to decide.
constexpr std::int64_t kRetryAfterMax = 3600;

std::string json_body(const Delivery& delivery) {
  std::string out;
  JsonWriter json(out);
  json.begin_object().member("id", delivery.idempotency_key).member("seq", delivery.seq.value);
  json.member("received", to_rfc3339(delivery.received));
  if (const auto message = hl7::Message::view(delivery.bytes)) {
    json.member("type", message->get("MSH-9.1")).member("trigger", message->get("MSH-9.2"));
    json.member("control_id", message->get("MSH-10"));
    json.member("charset", charset::name(message->encoding()));
  }
  json.member("hl7_base64", crypto::to_base64(delivery.bytes)).end_object();
  return out;
}

std::optional<Time> retry_after(const http::Headers& headers, Time now) {
  const auto text = http::find(headers, "Retry-After");
  if (!text) return std::nullopt;
  std::int64_t seconds = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), seconds);
  if (error != std::errc() || end != text->data() + text->size() || seconds < 0) return std::nullopt;
  return now + std::chrono::seconds(std::min(seconds, kRetryAfterMax));
}

class WebhookDeliverer : public Deliverer {
 public:
  WebhookDeliverer(const DestinationOptions& options, Clock& clock) : options_(options), clock_(clock) {}

  DeliveryResult deliver(const Delivery& delivery, const std::stop_token& stop) override {
    const std::lock_guard lock(mutex_);
    if (stop.stop_requested()) return retry_delivery("stopping");
    const Time now = clock_.now();
    http::ClientRequest request;
    request.method = "POST";
    request.url = options_.url;
    request.ca_file = options_.ca_file;
    request.timeout = options_.ack_timeout;
    const bool json = options_.body == WebhookBody::kJson;
    request.body = json ? json_body(delivery) : std::string(delivery.bytes);
    request.headers = {{"Content-Type", json ? "application/json" : "application/hl7-v2"},
                       {"Idempotency-Key", delivery.idempotency_key},
                       {"Minato-Signature", webhook_signature(options_.secret, now, request.body)}};
    const auto response = client_.send(request);
    if (!response) {
      const bool refused = response.error().code == Errc::kRefused;
      return refused ? refused_delivery(response.error().what) : retry_delivery(response.error().what);
    }
    const std::string status = std::to_string(response->status);
    const Status judged = http::delivery_status(response->status);
    if (judged) return delivered(status);
    if (judged.error().code == Errc::kRetry)
      return retry_delivery("answered " + status, retry_after(response->headers, now));
    return refused_delivery("answered " + status);
  }

 private:
  const DestinationOptions options_;
  Clock& clock_;
  std::mutex mutex_;
  http::Client client_;
};

}  // namespace

std::string webhook_signature(std::string_view secret, Time now, std::string_view body) {
  const std::string stamp = std::to_string(to_micros(now) / 1'000'000);
  std::string text = stamp + ".";
  text += body;
  return "t=" + stamp + ",v1=" + crypto::hex(crypto::hmac_sha256(secret, text));
}

std::unique_ptr<Deliverer> make_webhook_deliverer(const DestinationOptions& options, Clock& clock) {
  return std::make_unique<WebhookDeliverer>(options, clock);
}

}  // namespace minato
