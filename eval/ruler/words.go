package ruler

import (
	"math/rand/v2"
	"strings"
)

// Keys of needles are an adjective and a noun, "quiet-lantern": more than ten thousand, none of them in the filler.
var adjectives = strings.Fields(`
	able amber ample ancient angry arctic ashen awake balmy bashful bitter blunt bold brave brief bright brisk broad calm candid careful
	cheerful chilly civil clever cloudy coarse comic cosy crisp curious curly daring dazzling decent deft dim distant dizzy drowsy dusty
	eager early earnest easy elegant empty faint fancy fearless festive fierce flimsy fluffy fond fragile frank fresh frosty frugal funny
	gentle giant glad gloomy golden graceful grand gritty handy happy hasty hidden hollow honest humble hungry icy idle jolly keen kind
	late lavish lazy lean lively lofty lonely loud lucky mellow merry mighty mild misty modest muddy narrow nimble noble noisy odd patient
	plain polite proud quaint quiet rapid rare rough rusty scarlet serene shy silent sleepy sturdy swift tidy tiny vivid wise witty zesty`)

var nouns = strings.Fields(`
	acorn almanac anchor apron arcade atlas badger bakery balcony bamboo banjo barrel basket beacon beetle bicycle biscuit blanket bonfire
	bottle bramble brook bucket buffalo button cabin cactus camera candle canoe canyon carpet castle cellar cherry chimney clover coconut
	comet compass copper cottage cradle cricket crystal curtain daisy dolphin donkey dragon drum eagle easel elbow falcon feather ferry
	fiddle finch flute forest fountain garden gazelle geyser ginger glacier goblet granite guitar hammock harbor harvest hazel hedgehog
	helmet heron hickory igloo island ivory jacket jasmine jigsaw juniper kayak kettle kitten ladder lantern lemon lobster locket magnet
	mango maple marble meadow mitten mountain mushroom nectar noodle oasis orchard otter oyster paddle panther parsley pebble pelican
	pepper piano pigeon pillow pocket poppy pumpkin puzzle quarry quilt rabbit raccoon rocket saddle saffron sandal shovel skillet sparrow
	spindle squirrel teapot thimble thistle tiger tractor trumpet tulip turnip umbrella valley velvet violin walnut walrus whistle willow
	window wizard yacht zebra zipper`)

func randomKey(r *rand.Rand) string {
	return adjectives[r.IntN(len(adjectives))] + "-" + nouns[r.IntN(len(nouns))]
}
