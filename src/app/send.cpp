#include <cstdio>
#include <memory>
#include <optional>

#include "app/admin_client.h"
#include "app/commands.h"
#include "base/json_writer.h"
#include "flow/mllp_client.h"
#include "format/hl7/ack.h"
#include "format/hl7/batch.h"
#include "format/hl7/header.h"
#include "os/files.h"

namespace minato {
namespace {

struct Counts {
  std::uint64_t positive = 0, negative = 0, unanswered = 0;
};

Result<std::unique_ptr<TlsClientContext>> tls_of(const SendOptions& options) {
  TlsClientOptions tls;
  tls.ca_file = options.ca_file;
  tls.certificate_file = options.certificate_file;
  tls.key_file = options.key_file;
  return TlsClientContext::open(tls);
}

// The sender asked for silence (HL7 v2.5.1 section 2.9.3): nothing is to be waited for.
bool wants_no_answer(const hl7::Header& header) {
  return header.accept_ack_type() == "NE" && header.application_ack_type() == "NE";
}

void print_answer(const SendOptions& options, std::string_view control_id, std::string_view code,
                  std::string_view detail) {
  if (options.json) {
    std::string line;
    JsonWriter(line)
        .begin_object()
        .member("control_id", control_id)
        .member("ack", code)
        .member("answer", detail)
        .end_object();
    std::printf("%s\n", line.c_str());
    return;
  }
  std::printf("%-4s %s\n", std::string(code).c_str(), std::string(control_id).c_str());
  // An answer that is not positive is shown whole: its ERR says where the fault is.
  if (code == "AA" || code == "CA") return;
  for (const char c : detail) std::putchar(c == '\r' ? '\n' : c);
}

Status send_one(MllpClient& link, const SendOptions& options, std::string_view message, Counts& counts) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(options.timeout_s);
  const auto header = hl7::peek_header(message);
  const std::string_view control_id = header ? header->control_id() : std::string_view();
  if (header && wants_no_answer(*header)) {
    MN_CHECK(link.send(message, deadline));
    ++counts.unanswered;
    print_answer(options, control_id, "-", "none was asked for");
    return {};
  }
  MN_TRY(answer, link.exchange(message, deadline));
  const auto answer_header = hl7::peek_header(answer);
  const auto ack = answer_header ? hl7::read_acknowledgement(answer, *answer_header) : std::nullopt;
  const bool positive = ack && hl7::positive(ack->code);
  ++(positive ? counts.positive : counts.negative);
  print_answer(options, control_id, ack ? hl7::name(ack->code) : "?", answer);
  return {};
}

Status send_file(MllpClient& link, const SendOptions& options, const std::string& file, Counts& counts) {
  MN_TRY(bytes, read_file(real_files(), file == "-" ? "/dev/stdin" : file, kJournalRecordBytesMax));
  const hl7::Batch batch = hl7::split_batch(bytes);
  // A batch with its own header goes as one frame: the receiver answers for each message in it.
  if (batch.kind == hl7::BatchKind::kSingle || batch.messages.empty()) return send_one(link, options, bytes, counts);
  for (const std::string_view message : batch.messages) MN_CHECK(send_one(link, options, message, counts));
  return {};
}

}  // namespace

int run_send(const SendOptions& options) {
  std::unique_ptr<TlsClientContext> tls;
  if (options.tls) {
    auto context = tls_of(options);
    if (!context) return report(context.error());
    tls = std::move(*context);
  }
  MllpClientOptions client;
  client.endpoint = {options.host, options.port};
  client.tls = tls.get();
  auto link = MllpClient::connect(client, std::chrono::steady_clock::now() + std::chrono::seconds(options.timeout_s));
  if (!link) {
    report(link.error());
    return kExitUnavailable;
  }
  Counts counts;
  for (const std::string& file : options.files) {
    if (const Status sent = send_file(*link, options, file, counts); !sent) {
      std::fprintf(stderr, "minato: %s: %s\n", file.c_str(), sent.error().what.c_str());
      return kExitFailed;
    }
  }
  if (!options.json && counts.positive + counts.negative > 1) {
    std::printf("%llu accepted, %llu not accepted\n", static_cast<unsigned long long>(counts.positive),
                static_cast<unsigned long long>(counts.negative));
  }
  return counts.negative == 0 ? kExitOk : kExitNegative;
}

}  // namespace minato
