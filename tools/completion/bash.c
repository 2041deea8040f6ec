// bash: one function with a case a command.
#include "proto/filter.h"
#include "tools/completion/completion.h"

static void words(FILE *out, const char *choices)
{
    for (; *choices; choices++)
        putc(*choices == '|' ? ' ' : *choices, out);
}

static void values(FILE *out, const struct command *c)
{
    fprintf(out, "    case $prev in\n");
    for (const struct option_def *d = c->options; d->name; d++) {
        if (!completion_has(c, d) || d->type == OPT_FLAG)
            continue;
        fprintf(out, "    --%s) ", d->name);
        switch (completion_of(d)) {
        case COMPLETES_CHOICES:
            fputs("COMPREPLY=($(compgen -W '", out);
            words(out, d->choices);
            fputs("' -- \"$cur\"))", out);
            break;
        case COMPLETES_FILES:
            fputs("COMPREPLY=($(compgen -f -- \"$cur\"))", out);
            break;
        case COMPLETES_FOLDERS:
            fputs("COMPREPLY=($(compgen -d -- \"$cur\"))", out);
            break;
        case COMPLETES_COLUMNS:
            fputs("_tapedeck_columns", out);
            break;
        case COMPLETES_NOTHING:
            fputs("COMPREPLY=()", out);
            break;
        }
        fputs("; return ;;\n", out);
    }
    fprintf(out, "    esac\n");
}

static void command(FILE *out, const struct command *c)
{
    char operands[CLI_OPERANDS];
    struct view choose = completion_words(c, operands);
    fprintf(out, "  '%s')\n", c->name);
    values(out, c);
    fputs("    if [[ $cur == -* ]]; then\n      COMPREPLY=($(compgen -W '", out);
    for (const struct option_def *d = c->options; d->name; d++)
        if (completion_has(c, d))
            fprintf(out, "--%s ", d->name);
    fputs("' -- \"$cur\"))\n", out);
    if (choose.n > 0) {
        fputs("    else\n      COMPREPLY=($(compgen -W '", out);
        for (size_t i = 0; i < choose.n; i++)
            putc(choose.p[i] == '|' ? ' ' : choose.p[i], out);
        fputs("' -- \"$cur\"))\n", out);
    } else if (completion_takes_capture(c)) {
        fputs("    else\n      COMPREPLY=($(compgen -f -X '!*.db' -- \"$cur\") "
              "$(compgen -d -- \"$cur\"))\n",
              out);
    }
    fputs("    fi ;;\n", out);
}

void completion_bash(FILE *out)
{
    fputs("# bash completion of tapedeck: source <(tapedeck completion bash)\n\n"
          "_tapedeck_columns() {\n"
          "  local done=''\n"
          "  [[ $cur == *,* ]] && done=${cur%,*},\n"
          "  COMPREPLY=($(compgen -P \"$done\" -W '",
          out);
    for (int i = 0; i < FIELD_COLUMNS; i++)
        fprintf(out, "%s%s", i ? " " : "", filter_fields[i].name);
    fputs("' -- \"${cur##*,}\"))\n"
          "  compopt -o nospace\n"
          "}\n\n"
          "_tapedeck() {\n"
          "  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}\n"
          "  local command=${COMP_WORDS[1]}\n"
          "  COMPREPLY=()\n"
          "  if ((COMP_CWORD == 1)); then\n"
          "    COMPREPLY=($(compgen -W '",
          out);
    for (const struct command *const *c = command_table; *c; c++)
        if (!completion_second(*c))
            fprintf(out, "%s ", (*c)->name);
    fputs("' -- \"$cur\"))\n    return\n  fi\n  case \"$command ${COMP_WORDS[2]}\" in\n", out);
    for (const struct command *const *c = command_table; *c; c++)
        if (completion_second(*c))
            fprintf(out, "  '%s') ((COMP_CWORD > 2)) && command='%s' ;;\n", (*c)->name, (*c)->name);
    fputs("  esac\n  case $command in\n", out);
    for (const struct command *const *c = command_table; *c; c++)
        command(out, *c);
    fputs("  esac\n}\n\ncomplete -o filenames -F _tapedeck tapedeck\n", out);
}
