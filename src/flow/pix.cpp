#include "flow/pix.h"

#include <array>
#include <atomic>
#include <cstdio>
#include <mutex>
#include <optional>
#include <utility>

#include "base/limits.h"
#include "flow/pix_guard.h"
#include "flow/pix_messages.h"
#include "format/hl7/mllp_framer.h"
#include "os/stream.h"

namespace minato {
namespace {

// Up to kMasterConnectionsMax idle things that are expensive to make. Thread-safe.
template <typename T>
class Idle {
 public:
  std::optional<T> take() {
    const std::lock_guard lock(mutex_);
    if (idle_.empty()) return std::nullopt;
    std::optional<T> out(std::move(idle_.back()));
    idle_.pop_back();
    return out;
  }
  void give_back(T thing) {
    const std::lock_guard lock(mutex_);
    if (idle_.size() < kMasterConnectionsMax) idle_.push_back(std::move(thing));
  }

 private:
  std::mutex mutex_;
  std::vector<T> idle_;  // guarded by mutex_; a leaf
};

std::vector<Identifier> without(std::vector<Identifier> identifiers, const Identifier& asked) {
  std::erase(identifiers, asked);
  return identifiers;
}

// PIX and PDQ over MLLP. A link is kept open between questions; one that the peer closed meanwhile is replaced.
class Hl7Master final : public PatientMaster {
 public:
  Hl7Master(const MasterOptions& options, Clock& clock) : options_(options), clock_(clock) {}

  Result<std::vector<Identifier>> identifiers(const Identifier& of) override {
    const MasterQuery query = new_query(of);
    MN_TRY(question, pix_query(query, options_));
    MN_TRY(answer, exchange(question));
    MN_TRY(found, read_pix_answer(answer, query, options_));
    return without(std::move(found), of);
  }

  Result<std::vector<MasterPerson>> people(const Identifier& with) override {
    const MasterQuery query = new_query(with);
    MN_TRY(question, pdq_query(query, options_));
    MN_TRY(answer, exchange(question));
    return read_pdq_answer(answer, query, options_);
  }

 private:
  MasterQuery new_query(const Identifier& identifier) {
    // At most 20 characters (HL7 v2.5 section 2.15.9.10), and not used again while anybody could confuse two questions.
    char id[24];
    std::snprintf(id, sizeof id, "MQ%llX-%u", static_cast<unsigned long long>(to_micros(clock_.now())),
                  static_cast<unsigned>(count_++ % 1000));
    return {identifier, id, to_hl7_dtm(clock_.now(), 0)};
  }

  Result<std::string> exchange(const std::string& question) {
    const Deadline deadline = std::chrono::steady_clock::now() + options_.timeout;
    if (auto link = idle_.take(); link && !link->readable_now()) {
      Result<std::string> answer = ask(*link, question, deadline);
      if (answer) {
        idle_.give_back(std::move(*link));
        return answer;
      }
      // The peer may have closed an idle link without our knowing; a query changes nothing, so it is simply asked
      // again.
    }
    const ConnectOptions connect{.endpoint = {options_.host, options_.port}, .tls = options_.tls.get()};
    MN_TRY(link, connect_stream(connect, deadline));
    MN_TRY(answer, ask(link, question, deadline));
    idle_.give_back(std::move(link));
    return answer;
  }

  static Result<std::string> ask(BlockingStream& link, const std::string& question, Deadline deadline) {
    MN_CHECK(link.write_all(mllp::encode_frame(question), deadline));
    mllp::Framer framer({.frame_bytes_max = kMasterAnswerBytesMax});
    std::vector<mllp::Event> events;
    std::array<char, 16 * kKiB> buffer{};
    while (true) {
      MN_TRY(count, link.read_some(buffer, deadline));
      if (count == 0) return fail(Errc::kRetry, "the master closed the link");
      framer.feed({buffer.data(), count}, events);
      // One question, one answer: there is nothing to wait for behind FS. A CR that comes late makes the link be
      // replaced.
      framer.accept_without_cr(events);
      for (mllp::Event& event : events) {
        if (event.kind == mllp::EventKind::kFrame) return std::move(event.bytes);
        if (event.kind == mllp::EventKind::kOversize)
          return fail(Errc::kTooLarge, "the master's answer is over its limit");
      }
      events.clear();
    }
  }

  const MasterOptions options_;
  Clock& clock_;
  Idle<BlockingStream> idle_;
  std::atomic<std::uint64_t> count_ = 0;
};

// PIXm and PDQm.
class FhirMaster final : public PatientMaster {
 public:
  explicit FhirMaster(const MasterOptions& options) : options_(options) {}

  Result<std::vector<Identifier>> identifiers(const Identifier& of) override {
    MN_TRY(url, pixm_url(of, options_));
    MN_TRY(body, get(std::move(url)));
    if (!body) return std::vector<Identifier>();
    MN_TRY(found, read_pixm_answer(*body, options_));
    return without(std::move(found), of);
  }

  Result<std::vector<MasterPerson>> people(const Identifier& with) override {
    MN_TRY(url, pdqm_url(with, options_));
    MN_TRY(body, get(std::move(url)));
    if (!body) return std::vector<MasterPerson>();
    return read_pdqm_answer(*body, options_);
  }

 private:
  // nullopt: 404, which ITI-83 answers for an identifier that the master does not know.
  Result<std::optional<std::string>> get(std::string url) {
    http::ClientRequest request;
    request.url = std::move(url);
    request.headers = {{"Accept", "application/fhir+json"}};
    if (!options_.bearer_token.empty())
      request.headers.emplace_back("Authorization", "Bearer " + options_.bearer_token);
    request.timeout = options_.timeout;
    request.connect_timeout = options_.timeout;
    request.answer_bytes_max = kMasterAnswerBytesMax;
    request.ca_file = options_.ca_file;
    request.certificate_file = options_.certificate_file;
    request.key_file = options_.key_file;
    std::optional<http::Client> client = clients_.take();
    if (!client) client.emplace();
    MN_TRY(answer, client->send(request));
    clients_.give_back(std::move(*client));
    if (answer.status == 404) return std::optional<std::string>();
    // Our own credentials are wrong: that says nothing about the patient.
    if (answer.status == 401 || answer.status == 403) return fail(Errc::kUnavailable, "the master does not let us in");
    MN_CHECK(http::delivery_status(answer.status));
    return std::optional(std::move(answer.body));
  }

  const MasterOptions options_;
  Idle<http::Client> clients_;
};

}  // namespace

Result<std::unique_ptr<PatientMaster>> make_patient_master(const MasterOptions& options, Clock& clock) {
  std::unique_ptr<PatientMaster> inner;
  switch (options.kind) {
    case MasterKind::kNone:
      return std::unique_ptr<PatientMaster>();
    case MasterKind::kHl7v2:
      if (options.host.empty() || options.port == 0)
        return fail(Errc::kRefused, "patient master: host and port are needed");
      inner = std::make_unique<Hl7Master>(options, clock);
      break;
    case MasterKind::kFhir:
      if (options.url.empty()) return fail(Errc::kRefused, "patient master: a URL is needed");
      inner = std::make_unique<FhirMaster>(options);
      break;
  }
  return std::unique_ptr<PatientMaster>(std::make_unique<GuardedMaster>(std::move(inner), options, clock));
}

}  // namespace minato
