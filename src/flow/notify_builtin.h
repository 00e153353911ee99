// The templates that come with the program, and the names that templates may use. docs/notifications.md explains them
// to people.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "flow/notify_template.h"

namespace minato {

// File name and source.
std::vector<std::pair<std::string, std::string>> builtin_mail_templates();

const TemplateSchema& subject_schema();
const TemplateSchema& digest_subject_schema();
const TemplateSchema& body_schema();

}  // namespace minato
