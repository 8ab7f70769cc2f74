// What the shop sells, and what its help pages say.

export const PRODUCTS = [
  ["carafe", "Evening carafe", "Table", 64, "Terracotta, one litre. Keeps water cool for the length of a dinner.", ["Fired at 1,060 °C, glazed inside", "24 cm tall, holds 1 l", "Rinse by hand"]],
  ["mugs", "Two mugs, unmatched", "Table", 38, "One sage, one sand. They were never meant to match, and get on well.", ["Stoneware, 280 ml each", "Dishwasher and microwave", "Sold as a pair"]],
  ["bowl", "Wide bowl", "Table", 72, "For fruit, for salad, for keys. The rim is left as the wheel leaves it.", ["Stoneware, matt glaze", "31 cm across", "Food safe"]],
  ["vase", "Vase for three stems", "Table", 58, "A narrow neck that holds three stems upright and asks for no more.", ["Stoneware, slate blue", "26 cm tall", "Watertight"]],
  ["lamp", "Reading lamp", "Light", 189, "Brass and pleated linen. Warm light downwards, none in your eyes.", ["Dimmable, E27, 2,700 K", "52 cm tall", "Textile cable, 2 m"]],
  ["pendant", "Paper moon", "Light", 96, "A round lantern of mulberry paper that makes a table into a place.", ["Mulberry paper, steel ring", "45 cm across", "Folds flat"]],
  ["candles", "Pair of candles", "Light", 26, "Beeswax and rapeseed, poured in moulds as old as the house.", ["About 30 hours each", "No scent", "Brass feet included"]],
  ["lantern", "Storm lantern", "Light", 84, "For the balcony and the way to the shed. The wind may blow.", ["Steel and glass, one candle", "34 cm tall", "Glass can be replaced"]],
  ["throw", "Linen throw", "Linen & wood", 129, "Washed linen with two stripes, heavy enough to stay where you put it.", ["100 % flax, 320 g/m²", "140 × 200 cm", "Machine wash 40 °C"]],
  ["cushion", "Three rings cushion", "Linen & wood", 54, "Ochre wool, embroidered by hand. Softer than the drawing suggests.", ["Wool cover, feather filling", "45 × 45 cm", "Cover comes off"]],
  ["napkins", "Four napkins", "Linen & wood", 42, "Four colours, so that everybody finds theirs again after the dancing.", ["100 % flax", "45 × 45 cm", "Better with every wash"]],
  ["tray", "Tea tray with pot", "Linen & wood", 118, "A turned tray, a slate pot and one cup. There is room for a second.", ["Oiled ash, stoneware", "40 cm across", "Pot holds 0.6 l"]],
].map(([id, name, category, price, about, facts]) => ({ id, name, category, price, about, facts, image: `/shop/art/${id}.svg` }));

export const SECTIONS = [
  ["Table", "table", "What stands between people"],
  ["Light", "light", "For when the day is done"],
  ["Linen & wood", "linen", "What hands find first"],
];

export const product = (id) => PRODUCTS.find((one) => one.id === id);

/** Codes that the till knows, and the per cent that they take off. */
export const CODES = { LUNE10: 10 };

export const DELIVERY = [
  ["post", "By post", "3 to 4 days", 5.9],
  ["pickup", "Pick it up in the workshop", "From tomorrow", 0],
];

export const ARTICLES = [
  ["choosing", "Which size, and what goes with what", ["Lay the table once before you buy: a 31 cm bowl wants half a metre to itself. Mugs hold 280 ml, which is a large tea or a very large coffee.", "Terracotta, ochre and sage come from the same earth and always get on. Slate blue is the guest: one piece per table is enough.", "For reading, the lamp's lower edge belongs at eye height. Over a table, hang the paper moon 60 cm above it."]],
  ["delivery", "Delivery", ["We wrap on Tuesdays and Fridays. By post it takes three to four days, in straw and paper, with no plastic.", "You get a letter when it leaves. If nobody is at home it waits at the corner shop."]],
  ["returns", "Returns", ["Thirty days, used or not. Clay wants to be tried.", "Answer any of our letters and we send a label. The money is back within two days of the parcel."]],
  ["care", "Care", ["Stoneware survives the dishwasher; terracotta does not like it. Linen gets softer with each wash, at forty degrees.", "Oak drinks a spoon of oil once a year. It tells you when: water stops beading."]],
  ["payment", "Payment", ["Card, invoice or bank transfer. In this demonstration all three lead to the same smile: nothing is charged."]],
  ["contact", "Talk to us", ["Ines is at the counter from ten to six. Write to ines@lune.example, or answer any of our letters: a person reads them.", "This is a demonstration, so she won't write back. She would."]],
].map(([id, title, text]) => ({ id, title, text }));

export const article = (id) => ARTICLES.find((one) => one.id === id);
