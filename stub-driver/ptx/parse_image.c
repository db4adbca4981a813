/* Parsing the variables that stand for textures, samplers and surfaces. They have no memory: the driver binds textures and
 * surfaces to them (cuModuleGetTexRef); a sampler is what its initial values say. */
#include <string.h>

#include "parser.h"

static const struct {
    const char *name;
    int value;
} words[] = {
    {"wrap", PTX_ADDRESS_WRAP}, {"mirror", PTX_ADDRESS_MIRROR}, {"clamp_ogl", PTX_ADDRESS_CLAMP}, {"clamp_to_edge", PTX_ADDRESS_CLAMP},
    {"clamp_to_border", PTX_ADDRESS_BORDER}, {"nearest", PTX_FILTER_POINT}, {"linear", PTX_FILTER_LINEAR},
};

static int word_value(struct parser *parser) {
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (at_word(parser, words[i].name)) {
            next(parser);
            return words[i].value;
        }
    if (parser->token.kind == TOKEN_WORD) fail(parser, PTX_INVALID, "'%.*s' is no value of a texture's or sampler's field", (int)parser->token.length, parser->token.text);
    return (int)parse_integer(parser);
}

/* One `field = value`. Sizes and formats are what the driver binds, whatever the text says. */
static void field(struct parser *parser, struct ptx_sampler *sampler) {
    static const char *const of_driver[] = {"width", "height", "depth", "channel_data_type", "channel_order", "array_size", "num_mipmap_levels", "num_samples", "memory_layout"};
    const struct token name = parser->token;
    const char *text = take_name(parser);
    expect(parser, '=');
    const int value = word_value(parser);
    if (strncmp(text, "addr_mode_", 10) == 0 && text[10] >= '0' && text[10] <= '2' && !text[11]) {
        if (value < 0 || value > PTX_ADDRESS_BORDER) fail(parser, PTX_INVALID, "%s = %d", text, value);
        sampler->address[text[10] - '0'] = (uint8_t)value;
        return;
    }
    if (strcmp(text, "filter_mode") == 0) {
        if (value != PTX_FILTER_POINT && value != PTX_FILTER_LINEAR) fail(parser, PTX_INVALID, "%s = %d", text, value);
        sampler->filter = (uint8_t)value;
        return;
    }
    if (strcmp(text, "normalized_coords") == 0) {
        sampler->normalized_coords = value != 0;
        return;
    }
    if (strcmp(text, "force_unnormalized_coords") == 0) {
        sampler->unnormalized_coords = value != 0;
        return;
    }
    for (size_t i = 0; i < sizeof of_driver / sizeof of_driver[0]; i++)
        if (strcmp(text, of_driver[i]) == 0) return;
    parser->token.line = name.line;
    fail(parser, PTX_INVALID, "a texture, sampler or surface has no field '%s'", text);
}

static void declarator(struct parser *parser, enum ptx_image_kind kind, enum linkage linkage) {
    struct arena *arena = &parser->loader->arena;
    struct symbol *symbol = arena_alloc(arena, sizeof *symbol);
    symbol->kind = SYMBOL_VARIABLE;
    symbol->line = parser->token.line;
    symbol->name = take_name(parser);
    symbol->space = SPACE_IMAGE;
    symbol->type = T_U64;
    symbol->vector = 1;
    symbol->size = symbol->align = 8;
    symbol->linkage = linkage;
    symbol->image_kind = kind;
    symbol->sampler = arena_alloc(arena, sizeof *symbol->sampler);
    memset(symbol->sampler->address, PTX_ADDRESS_CLAMP, sizeof symbol->sampler->address);
    if (at_punct(parser, '[')) fail(parser, PTX_UNSUPPORTED, "'%s': an array of textures, samplers or surfaces", symbol->name);
    if (take_punct(parser, '=')) {
        expect(parser, '{');
        while (!at_punct(parser, '}')) {
            field(parser, symbol->sampler);
            if (!take_punct(parser, ',')) break;
        }
        expect(parser, '}');
    }
    declare_variable(parser, symbol);
}

bool parse_images(struct parser *parser, enum linkage linkage) {
    enum ptx_image_kind kind;
    if (at_dot(parser, "texref")) kind = PTX_IMAGE_TEXTURE;
    else if (at_dot(parser, "samplerref")) kind = PTX_IMAGE_SAMPLER;
    else if (at_dot(parser, "surfref")) kind = PTX_IMAGE_SURFACE;
    else return false;
    next(parser);
    do declarator(parser, kind, linkage);
    while (take_punct(parser, ','));
    expect(parser, ';');
    return true;
}

void parse_tex(struct parser *parser, enum linkage linkage) {
    next(parser);
    if (!at_dot(parser, "u32") && !at_dot(parser, "u64")) fail(parser, PTX_INVALID, ".tex wants .u32 or .u64");
    next(parser);
    do declarator(parser, PTX_IMAGE_TEXTURE, linkage);
    while (take_punct(parser, ','));
    expect(parser, ';');
}
