// zsh: one _arguments a command. Its specifications are words of single quotes in which ':' parts
// name, message and action, and '[' and ']' hold the sentence: each of these within a text of ours
// gets a '\' before it.
#include "proto/filter.h"
#include "tools/completion/completion.h"

// A text within [] of a specification within single quotes.
static void sentence(FILE *out, const char *text)
{
    for (; *text; text++) {
        if (*text == '\'')
            fputs("'\\'", out);
        else if (*text == '[' || *text == ']' || *text == ':' || *text == '\\')
            putc('\\', out);
        putc(*text, out);
    }
}

static void choices(FILE *out, struct view v)
{
    putc('(', out);
    for (size_t i = 0; i < v.n; i++) {
        if (v.p[i] == ':')
            putc('\\', out);
        putc(v.p[i] == '|' ? ' ' : v.p[i], out);
    }
    putc(')', out);
}

static void option(FILE *out, const struct option_def *d)
{
    fprintf(out, "        '%s--%s%s[", d->flags & OPT_REPEATS ? "*" : "", d->name,
            d->type == OPT_FLAG ? "" : "=");
    sentence(out, d->sentence);
    putc(']', out);
    if (d->type != OPT_FLAG) {
        putc(':', out);
        sentence(out, d->unit ? d->unit : "value");
        putc(':', out);
        switch (completion_of(d)) {
        case COMPLETES_CHOICES:
            choices(out, view_of(d->choices));
            break;
        case COMPLETES_FILES:
            fputs("_files", out);
            break;
        case COMPLETES_FOLDERS:
            fputs("_files -/", out);
            break;
        case COMPLETES_COLUMNS:
            fputs("_sequence _tapedeck_fields", out);
            break;
        case COMPLETES_NOTHING:
            break;
        }
    }
    fputs("' \\\n", out);
}

static void command(FILE *out, const struct command *c)
{
    char operands[CLI_OPERANDS];
    struct view words = completion_words(c, operands);
    fprintf(out, "    '%s')\n      _arguments -s \\\n", c->name);
    for (const struct option_def *d = c->options; d->name; d++)
        if (completion_has(c, d))
            option(out, d);
    if (words.n > 0) {
        fputs("        '1:word:", out);
        choices(out, words);
        fputs("'\n", out);
    } else if (completion_takes_capture(c)) {
        fputs("        '1:capture:_files -g \"*.db\"' '*:filter:'\n", out);
    } else {
        fputs("        '*:operand:'\n", out);
    }
    fputs("      ;;\n", out);
}

static void list(FILE *out, const char *name, bool second)
{
    fprintf(out, "  %s=(\n", name);
    for (const struct command *const *c = command_table; *c; c++) {
        const char *two = completion_second(*c);
        if ((two != NULL) != second)
            continue;
        fprintf(out, "    '%s:", second ? two : (*c)->name);
        sentence(out, (*c)->sentence);
        fputs("'\n", out);
    }
    fputs("  )\n", out);
}

void completion_zsh(FILE *out)
{
    fputs("#compdef tapedeck\n\n_tapedeck_fields() {\n  compadd -S, -q ", out);
    for (int i = 0; i < FIELD_COLUMNS; i++)
        fprintf(out, "%s ", filter_fields[i].name);
    fputs("\n}\n\n_tapedeck() {\n  local -a commands formats\n  local command\n", out);
    list(out, "commands", false);
    list(out, "formats", true);
    fputs("  if ((CURRENT == 2)); then\n    _describe command commands\n    return\n  fi\n"
          "  command=$words[2]\n"
          "  if [[ $command == export ]]; then\n"
          "    if ((CURRENT == 3)); then\n      _describe format formats\n      return\n    fi\n"
          "    command=\"export $words[3]\"\n"
          "    shift words\n"
          "    ((CURRENT--))\n"
          "  fi\n"
          "  shift words\n"
          "  ((CURRENT--))\n"
          "  case $command in\n",
          out);
    for (const struct command *const *c = command_table; *c; c++)
        command(out, *c);
    fputs("  esac\n}\n\n"
          "if [ \"$funcstack[1]\" = _tapedeck ]; then\n  _tapedeck \"$@\"\n"
          "else\n  compdef _tapedeck tapedeck\nfi\n",
          out);
}
