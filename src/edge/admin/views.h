// The JSON shapes of the admin interface; docs/openapi.json describes them.
#pragma once

#include <string>
#include <vector>

#include "base/json_writer.h"
#include "flow/operations.h"

namespace minato::admin {

void write(JsonWriter& json, const IndexedMessage& message);
void write(JsonWriter& json, const MessageTrail& trail);
void write(JsonWriter& json, const ItemView& item);
void write(JsonWriter& json, const QueueStats& stats);
void write(JsonWriter& json, const RedrivePreview& preview);
void write(JsonWriter& json, const Patient& patient);
void write(JsonWriter& json, const PatientHistoryEntry& entry);
void write(JsonWriter& json, const Effect& effect);
void write(JsonWriter& json, const FeedTotals& feed);
void write(JsonWriter& json, const FeedSilence& silence);
void write(JsonWriter& json, const RegistryLogEntry& entry);

// {"<name>":[…],"next":…}
template <typename T>
void write_list(JsonWriter& json, std::string_view name, const std::vector<T>& values) {
  json.key(name).begin_array();
  for (const T& value : values) write(json, value);
  json.end_array();
}

}  // namespace minato::admin
