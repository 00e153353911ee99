// What people may ask of a running (or stopped) server: search, look at one message and what became of it, dead
// letters, redrive, registries, who was told what. The admin interface turns it into HTTP; the command line uses it
// directly when no server runs.
//
// Reads come from the derived database and are as fresh as the follower; changes are journal records, and the functions
// that make them return when the record is durable *and* applied, so that a person sees what was just done. Any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "flow/progress.h"
#include "os/clock.h"
#include "record/effects.h"
#include "record/patients.h"
#include "record/providers.h"
#include "record/registry_log.h"
#include "store/index/derived.h"
#include "store/index/feed_activity.h"
#include "store/index/message_index.h"
#include "store/journal/journal.h"
#include "store/queue/queue.h"

namespace minato {

// One message with everything that is known of it.
struct MessageTrail {
  IndexedMessage message;
  std::string meta;             // the journal record's, JSON
  std::string text;             // decoded to UTF-8, segments on lines of their own; empty when it could not be read
  std::vector<ItemView> items;  // still waiting or parked
  std::vector<Effect> effects;  // what left the house because of it
};

struct RedrivePreview {
  std::uint64_t items = 0;
  std::optional<Time> oldest, newest;                          // when they were parked
  std::vector<std::pair<std::string, std::uint64_t>> steps;    // step → items
  std::vector<std::pair<std::string, std::uint64_t>> reasons;  // first word of the reason → items
  std::uint64_t effects_done = 0;       // items whose effect is on record as done: they will be skipped
  std::uint64_t effects_uncertain = 0;  // items whose effect may have happened: redriving one may repeat it
};

struct OperationsContext {
  Journal& journal;
  DerivedDatabase& derived;
  Queue& queue;
  Progress& progress;
  Clock& clock;
};

class Operations {
 public:
  explicit Operations(const OperationsContext& context) : context_(context) {}

  Result<MessagePage> messages(const MessageFilter& filter, std::optional<Seq> before, std::size_t limit) const;
  Result<MessageTrail> message(Seq seq) const;
  // The exact bytes.
  Result<std::string> message_bytes(Seq seq) const;
  Result<std::vector<MessageCount>> message_counts() const;
  // A new message linked to the old one; whoever is asked to confirm has seen both. kRefused: not a readable HL7
  // message, or the same bytes.
  Result<Seq> resubmit(Seq seq, std::string bytes, std::string_view by);

  Result<QueueStats> queue_stats() const;
  Result<std::vector<ItemView>> items(const ItemFilter& filter, std::optional<ItemId> after, std::size_t limit) const;
  // Parked items only, whatever the filter's state says.
  Result<RedrivePreview> redrive_preview(ItemFilter filter) const;
  // Returns how many were redriven. `per_second` 0: at once.
  Result<std::uint64_t> redrive(ItemFilter filter, std::uint32_t per_second, std::string_view by);
  Result<std::uint64_t> discard(ItemFilter filter, std::string_view by, std::string_view reason);

  Result<std::vector<Patient>> find_patients(std::string_view text, std::size_t limit) const;
  Result<Patient> patient(PatientId id) const;
  Result<std::vector<PatientHistoryEntry>> patient_history(PatientId id, std::size_t limit) const;
  Result<std::vector<Provider>> providers(std::string_view after_code, std::size_t limit) const;
  Result<Provider> provider(std::string_view code) const;
  // `what` is patients or providers; the body as given. Checked before it is journalled: kRefused names each line.
  // Returns the rows touched.
  Result<std::uint64_t> import_registry(std::string_view what, std::string body, std::string_view by);
  // One change in the words of docs/formats/registry.md: {"what":"providers","action":"put",…}. Returns what the
  // registry log says of it.
  Result<RegistryLogEntry> change_registry(std::string meta);
  Result<std::vector<RegistryLogEntry>> registry_log(std::optional<Seq> before, std::size_t limit) const;

  Result<EffectPage> effects(const EffectFilter& filter, std::optional<std::int64_t> before, std::size_t limit) const;
  Result<std::vector<FeedTotals>> feeds() const;
  Result<std::vector<FeedSilence>> silences() const;

  // Reading patient data is on record: who, what, which message or patient.
  Status note_access(std::string_view who, std::string_view what, std::string_view which);
  Status note_action(std::string_view who, std::string_view action, std::string_view detail);

 private:
  Result<Seq> append(RecordKind kind, std::string meta, std::string body = {});
  Status applied(Seq seq) const;
  template <typename Reader, typename Ask>
  auto read(Ask ask) const;
  Result<std::vector<ItemView>> parked(ItemFilter filter) const;

  OperationsContext context_;
};

}  // namespace minato
